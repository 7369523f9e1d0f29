import { expect, test } from "vitest"
import { NAVIGATION } from "../src/shell/navigation"

test("each page of the navigation has a shortcut of its own", () => {
  const pages = NAVIGATION.flatMap(({ pages }) => pages.map(({ to, key }) => [key, to] as const))
  expect(new Set(pages.map(([key]) => key)).size).toBe(pages.length)
  // `g` begins the chord.
  expect(pages.filter(([key]) => !/^[a-fh-z]$/.test(key))).toEqual([])
})
