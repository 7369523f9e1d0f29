// Elements are made of parts, never of markup, so that no value can become an element or a script.

import type { Rich } from "./contract.js"
import { attempt } from "./storage.js"

type Attributes = Record<string, string | number | boolean | null | undefined | ((event: Event) => void)>
export type Child = Node | string | null | undefined | false

export const isVisible = (): boolean => document.visibilityState === "visible"

/** Do something once someone has opened the page, which the browser may have made ready before. */
export const whenActive = (action: () => void): void =>
  (document as { prerendering?: boolean }).prerendering ? document.addEventListener("prerenderingchange", action, { once: true }) : action()

/** Make an element; functions are listeners, and false leaves an attribute out. */
export function h<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: (Child | readonly Child[])[]
): HTMLElementTagNameMap[Name] {
  return fill(document.createElement(name), attributes, children)
}

/** Set attributes and add children. */
export function fill<Made extends Element>(made: Made, attributes: Attributes, children: readonly (Child | readonly Child[])[]): Made {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value)
    else if (value != null && value !== false) made.setAttribute(name, value === true ? "" : String(value))
  }
  made.append(...(children.flat().filter((one) => one || one === "") as (Node | string)[]))
  return made
}

/** An address that may be followed or loaded: https, or of the page's own origin; else undefined. */
export function safeUrl(url: string | undefined): string | undefined {
  const found = attempt(() => new URL(url!, document.baseURI))
  const isOwn = found?.origin === location.origin && /^http/.test(found.protocol)
  return url && (isOwn || found?.protocol === "https:") ? found!.href : undefined
}

const TAGS = { p: "p", b: "strong", i: "em", ul: "ul", li: "li", br: "br" } as const

/** Nodes of rich text. `onLink` hears of followed links. */
export const rich = (text: Rich | undefined, onLink: (href: string) => void): Child[] =>
  (text ?? []).map(({ t, v, href, src, alt, c }) => {
    if (t === "text") return v
    if (t === "img") return picture(src, alt)
    const children = rich(c, onLink)
    if (t === "a") {
      const url = safeUrl(href)
      return url ? h("a", { href: url, click: () => onLink(url) }, children) : h("span", {}, children)
    }
    return TAGS[t] && h(TAGS[t], {}, children)
  })

export function picture(src: string | undefined, alt: string | undefined): Child {
  const url = safeUrl(src)
  return url && h("img", { src: url, alt: alt ?? "", referrerpolicy: "no-referrer" })
}

const CHANGES_MS = 50

/** Call back on changes of the page's elements, soon after the first of several. */
export function onChanges(callback: () => void): () => void {
  let isDue = false
  const observer = new MutationObserver(() => {
    if (isDue) return
    isDue = true
    setTimeout(() => {
      isDue = false
      callback()
    }, CHANGES_MS)
  })
  observer.observe(document, {
    childList: true,
    subtree: true,
    attributeFilter: ["class", "id", "hidden", "data-sojourn-slot", "data-sojourn-feed"],
  })
  return () => observer.disconnect()
}

/** The first element of a selector; a faulty selector finds nothing. */
export function find(selector: string | undefined): Element | null {
  return attempt(() => (selector ? document.querySelector(selector) : null)) ?? null
}

/** Whether an element or one around it is of a selector. */
export function isWithin(target: EventTarget | null, selector: string | undefined): boolean {
  return !!attempt(() => selector && (target as Element).closest(selector))
}

/** Call back with the first element of a selector, once there is one. */
export function whenThere(selector: string, callback: (found: Element) => void): () => void {
  const look = () => {
    const found = find(selector)
    if (found) {
      stop()
      callback(found)
    }
  }
  let stop = () => {}
  stop = onChanges(look)
  look()
  return stop
}

/** Call back once half of an element is in the window. */
export function whenSeen(element: Element, callback: () => void): () => void {
  const observer = new IntersectionObserver(
    (entries) => {
      if (entries.some((one) => one.isIntersecting)) {
        observer.disconnect()
        callback()
      }
    },
    { threshold: 0.5 },
  )
  observer.observe(element)
  return () => observer.disconnect()
}
