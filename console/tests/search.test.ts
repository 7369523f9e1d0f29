import { expect, test } from "vitest"
import { parseSearch, search, stringifySearch } from "../src/search"

test("texts that look like other types stay texts, there and back", () => {
  const given = { user: "42", step: "true", version: '"3"' }
  expect(parseSearch(stringifySearch(given))).toEqual(given)
})

test("what is not set is not in the address", () => {
  expect(stringifySearch({ state: undefined, find: "" })).toBe("")
  expect(search("state", "find")({ state: "active", find: "", other: "x" })).toEqual({ state: "active" })
})
