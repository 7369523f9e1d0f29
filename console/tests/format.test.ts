import { expect, test } from "vitest"
import { formatShare } from "../src/format/number"
import { exactTime, formatDays, isInstant, relativeTime, weekBefore } from "../src/format/time"

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

test.each([
  [0.01, "under an hour"],
  [1 / 24, "1 hour"],
  [1.5, "36 hours"],
  [3.21, "3.2 days"],
])("%d days are %s", (days, told) => expect(formatDays(days)).toBe(told))

test.each([
  ["2026-12-03T14:43:16.573169+04:00", true],
  ["2026-12-03T10:43Z", true],
  ["2026-12-03", false],
  ["2026-13-03T10:43:00Z", false],
  ["<2026-12-03T10:43:00Z>", false],
])("%s is an instant: %s", (text, is) => expect(isInstant(text)).toBe(is))

test("a week ends with its last day", () => expect(weekBefore("2026-12-02")).toBe("2026-11-26"))
