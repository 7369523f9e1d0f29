import { expect, test } from "vitest"
import { nonSendFilter, nonSendSearch } from "../src/pages/messages/nonSendSearch"
import { search, stringifySearch } from "../src/search"
import { groupingOf, groupSearch } from "../src/ui/Groups"

const GROUPINGS = ["reason", "campaign", "step", "rule", "day"] as const

test("a filter for those without a value survives the address", () => {
  const address = stringifySearch({ ...nonSendSearch({ campaign: "cart", step: "", from: "2026-11-22" }) })
  const read = search("campaign", "step", "reason", "from")(Object.fromEntries(new URLSearchParams(address)))
  expect(nonSendFilter(read)).toEqual({ campaign: "cart", step: "", from: "2026-11-22", to: undefined })
})

test("each choice leads one grouping on", () => {
  let address: Record<string, string | undefined> = { by: "reason" }
  const seen = []
  for (const value of ["capped", "cart", "nudge", "daily"]) {
    const by = groupingOf(GROUPINGS, address)
    seen.push(by)
    address = groupSearch(address, by, value)
  }
  expect(seen).toEqual(["reason", "campaign", "step", "rule"])
  expect(groupingOf(GROUPINGS, address)).toBe("day")
  expect(groupSearch(address, "day", "2026-11-22")).toMatchObject({ from: "2026-11-22", to: "2026-11-22" })
})
