// @vitest-environment happy-dom
import { expect, test, vi } from "vitest"
import { h, rich, safeUrl } from "../src/dom.js"
import type { Rich } from "../src/contract.js"

const html = (text: Rich, follow = () => {}) => h("div", {}, rich(text, follow)).innerHTML

test("rich text becomes elements, and values stay text", () => {
  const text: Rich = [
    { t: "p", c: [{ t: "text", v: "Hello <img src=x onerror=alert(1)>" }, { t: "b", c: [{ t: "text", v: "you" }] }, { t: "br" }] },
    { t: "ul", c: [{ t: "li", c: [{ t: "i", c: [{ t: "text", v: "one" }] }] }] },
  ]
  expect(html(text)).toBe(
    "<p>Hello &lt;img src=x onerror=alert(1)&gt;<strong>you</strong><br></p><ul><li><em>one</em></li></ul>",
  )
})

test("unknown nodes are left out, and those of other kinds are no attributes", () => {
  expect(html([{ t: "script", v: "alert(1)" } as never, { t: "p", onclick: "x", c: [] } as never])).toBe("<p></p>")
})

test("links and images lead to https or to the page's own origin", () => {
  location.href = "http://shop.example/a/b"
  expect(safeUrl("https://other.example/x")).toBe("https://other.example/x")
  expect(safeUrl("/x?y#z")).toBe("http://shop.example/x?y#z")
  for (const url of ["javascript:alert(1)", " java\nscript:alert(1)", "data:text/html,x", "http://other.example", "//other.example", "mailto:a@b.c", "", undefined]) {
    expect(safeUrl(url)).toBeUndefined()
  }
  expect(html([{ t: "a", href: "javascript:alert(1)", c: [{ t: "text", v: "x" }] }])).toBe("<span>x</span>")
  expect(html([{ t: "img", src: "data:image/svg+xml,x", alt: "x" }])).toBe("")
  expect(html([{ t: "img", src: "https://cdn.example/a.png", alt: '"><b>' }])).toContain('alt="&quot;><b>"')
})

test("a followed link is heard of", () => {
  const follow = vi.fn()
  const box = h("div", {}, rich([{ t: "a", href: "https://shop.example/x", c: [] }], follow))
  box.querySelector("a")!.click()
  expect(follow).toHaveBeenCalledWith("https://shop.example/x")
})
