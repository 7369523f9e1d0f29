import { expect, test } from "vitest"
import { choosePalette, contrast } from "../src/views/theme.js"

const rgb = (colour: string) => colour.match(/\d+/g)!.map(Number) as [number, number, number]

test.each([
  {}, { accent: "#ff0" }, { accent: "#808080" }, { accent: "#b4532a", background: "#fff7ef" }, { background: "#0b3d2e" },
  { background: "#777777", text: "#888888", accent: "#777777" }, { text: "#eee" }, { accent: "red; background: url(x)" },
])("texts can be read in %o, in light and in dark", (theme) => {
  for (const isDark of [false, true]) {
    const { back, text, quiet, link, on, accent } = choosePalette(theme, isDark)
    for (const colour of [text, quiet, link]) expect(contrast(rgb(colour), rgb(back))).toBeGreaterThanOrEqual(4.5)
    expect(contrast(rgb(on), rgb(accent))).toBeGreaterThanOrEqual(4.5)
  }
})

test("what an author chooses is kept where it can be read", () => {
  const { back, text, accent } = choosePalette({ background: "#FFF7EF", text: "#4a2c1a", accent: "#b53" }, true)
  expect([back, text, accent]).toEqual(["rgb(255,247,239)", "rgb(74,44,26)", "rgb(187,85,51)"])
})
