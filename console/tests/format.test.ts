import { expect, test } from "vitest"
import { formatShare } from "../src/format/number"
import { exactTime, relativeTime } from "../src/format/time"

const NOW = new Date("2026-12-02T04:14:26Z")

test.each([
  ["2026-12-02T04:14:20Z", "now"],
  ["2026-12-02T04:13:40Z", "46 sec. ago"],
  ["2026-12-02T01:14:00Z", "3 hr. ago"],
  ["2026-12-04T05:00:00Z", "in 2 days"],
  ["2024-12-01T00:00:00Z", "2 yr. ago"],
])("%s is %s", (at, told) => expect(relativeTime(new Date(at), NOW)).toBe(told))

test("an instant in the zone of a person", () => {
  expect(exactTime(NOW, "Europe/Berlin")).toBe("2 Dec 2026, 05:14:26 CET")
})

test("a small share is not nothing", () => {
  expect([formatShare(0), formatShare(0.00012), formatShare(0.128)]).toEqual(["0%", "0.012%", "12.8%"])
})
