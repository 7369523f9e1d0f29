import { describe, expect, test } from "vitest"
import type { Every, Message, Question } from "../src/contract.js"
import { message } from "./messages.js"
import { backoff, choosePlace, inFeed, inOrder, isPlace, matches, mayShow, nextQuestion, type Seen } from "../src/rules.js"

const NOW = Date.parse("2026-12-01T12:00:00Z")
const DAY = 86_400_000

describe("addresses", () => {
  const at = (url: string) => new URL(url)
  test.each([
    ["/pricing", "https://shop.example/pricing", true],
    ["/pricing", "https://shop.example/pricing?utm_source=mail", true],
    ["/pricing", "https://shop.example/pricing/teams", false],
    ["/docs/*", "https://shop.example/docs/start", true],
    ["/docs/*", "https://shop.example/docs/start/more", false],
    ["/docs/**", "https://shop.example/docs/start/more?a=b", true],
    ["/search?q=*", "https://shop.example/search?q=lamp", true],
    ["/search?q=*", "https://shop.example/search?p=lamp", false],
    ["/app#/cart", "https://shop.example/app#/cart", true],
    ["https://*.example/**", "https://shop.example/a/b", true],
    ["https://shop.example/a", "https://other.example/a", false],
    ["*/a", "https://shop.example/a", false],
    ["**/a", "https://shop.example/a", true],
    ["/a.b", "https://shop.example/axb", false],
    ["/(a", "https://shop.example/(a", true],
    ["/über-uns/*", "https://shop.example/über-uns/team", true],
    ["/%C3%BCber-uns", "https://shop.example/%c3%bcber-uns", true],
    ["/suche?q=größe*", "https://shop.example/suche?q=größe+40", true],
    ["/о-нас", "https://shop.example/о-ком", false],
    ["/a/b", "https://shop.example/a%2Fb", false],
    ["/100%", "https://shop.example/100%", true],
  ])("%s and %s: %s", (glob, url, expected) => expect(matches(glob, at(url))).toBe(expected))

  test("many stars take no time beyond reason", () => {
    const url = at(`https://shop.example/${"-".repeat(1_500)}`)
    const began = performance.now()
    expect(matches("/**-**-**-**-**-**-**.html", url)).toBe(false)
    // A regular expression would take hours: so this holds on any machine.
    expect(performance.now() - began).toBeLessThan(20_000)
  })

  test("without patterns a message is for every page", () => {
    expect(isPlace([], at("https://shop.example/"))).toBe(true)
    expect(isPlace(undefined, at("https://shop.example/"))).toBe(true)
    expect(isPlace(["/a", "/b"], at("https://shop.example/b"))).toBe(true)
  })
})

describe("how often", () => {
  const may = (every: Every, seen?: Partial<Seen>, changes: Partial<Message> = {}) =>
    mayShow(message({ content: { every }, ...changes }), seen && { shows: [], ...seen }, "s-2", NOW)
  const shown: Partial<Seen> = { shows: [NOW - DAY], session: "s-1" }

  test("once, here and elsewhere", () => {
    expect(may({ kind: "once" })).toBe(true)
    expect(may({ kind: "once" }, shown)).toBe(false)
    expect(may({ kind: "once" }, undefined, { shows: 1 })).toBe(false)
  })
  test("until it is clicked or dismissed, here or elsewhere", () => {
    expect(may({ kind: "until_clicked" }, { ...shown, dismissed: true })).toBe(true)
    expect(may({ kind: "until_clicked" }, { clicked: true })).toBe(false)
    expect(may({ kind: "until_clicked" }, shown, { clicked_at: "2026-12-01T11:00:00Z" })).toBe(false)
    expect(may({ kind: "until_dismissed" }, { ...shown, clicked: true })).toBe(true)
    expect(may({ kind: "until_dismissed" }, { dismissed: true })).toBe(false)
  })
  test("each session", () => {
    expect(may({ kind: "each_session" }, shown)).toBe(true)
    expect(may({ kind: "each_session" }, { ...shown, session: "s-2" })).toBe(false)
  })
  test("so many times in a period", () => {
    const every: Every = { kind: "times", times: 2, per_seconds: 7 * 86_400 }
    expect(may(every, { shows: [NOW - 8 * DAY, NOW - DAY] })).toBe(true)
    expect(may(every, { shows: [NOW - 6 * DAY, NOW - DAY] })).toBe(false)
    // By a clock that was ahead.
    expect(may(every, { shows: [NOW + DAY, NOW + 9 * DAY] })).toBe(true)
    expect(may({ kind: "times", times: 2 }, undefined, { shows: 2 })).toBe(false)
  })
  test("a tour in progress goes on, a completed one is over", () => {
    expect(may({ kind: "once" }, { ...shown, step: "two" })).toBe(true)
    expect(may({ kind: "once" }, { ...shown, step: "two", dismissed: true })).toBe(false)
    expect(may({ kind: "each_session" }, { ...shown, step: "two", completed: true })).toBe(false)
    expect(may({ kind: "each_session" }, undefined, { completed_at: "2026-12-01T11:00:00Z" })).toBe(false)
  })
  test("not after its time", () => expect(may({ kind: "once" }, undefined, { expires_at: "2026-12-01T12:00:00Z" })).toBe(false))
})

test("the order is by priority, then by arrival; feeds have the pinned and the newest first", () => {
  const [one, two, three] = [message({ seq: 1 }), message({ seq: 2, priority: 90 }), message({ seq: 3 })]
  expect([one, three, two].sort(inOrder).map(({ seq }) => seq)).toEqual([2, 1, 3])
  const pinned = message({ seq: 0, content: { every: { kind: "once" }, pinned: true } })
  expect([one, three, pinned].sort(inFeed).map(({ seq }) => seq)).toEqual([0, 3, 1])
})

describe("branches of a survey", () => {
  const question = (id: string, next?: Question["next"]): Question => ({ id, type: "nps", text: [], next })
  const questions = [
    question("score", [{ when: { max: 6 }, to: "why" }, { when: { min: 9 }, to: "story" }]),
    question("rest", [{ when: {}, to: "story" }]),
    question("why", [{ when: { is: ["price", "3"] }, to: "end" }]),
    question("story", [{ when: { min: 0 }, to: "score" }]),
  ]
  test.each([
    [0, 3, 2], [0, 6, 2], [0, 7, 1], [0, 10, 3], [0, undefined, 1], [1, 5, 3], [1, undefined, 3],
    [2, "price", 4], [2, ["size", "price"], 4], [2, 3, 4], [2, "size", 3],
    // Never back, so that it ends.
    [3, 5, 4],
  ])("after %i answered with %s comes %i", (place, answer, expected) =>
    expect(nextQuestion(questions, place, answer)).toBe(expected),
  )
})

describe("places beside an anchor", () => {
  const room = { width: 1_000, height: 600 }
  const box = { width: 300, height: 100 }
  test("on the wanted side, in the middle of the anchor", () => {
    expect(choosePlace({ x: 400, y: 200, width: 100, height: 40 }, box, room)).toEqual({ x: 300, y: 252, side: "bottom" })
    expect(choosePlace({ x: 400, y: 200, width: 100, height: 40 }, box, room, "right")).toEqual({ x: 512, y: 170, side: "right" })
  })
  test("on the other side where it does not fit", () => {
    expect(choosePlace({ x: 400, y: 550, width: 100, height: 40 }, box, room).side).toBe("top")
    expect(choosePlace({ x: 10, y: 200, width: 100, height: 40 }, box, room, "left").side).toBe("right")
  })
  test("always in the window", () => {
    expect(choosePlace({ x: 960, y: 10, width: 30, height: 20 }, box, room)).toEqual({ x: 692, y: 42, side: "bottom" })
    const phone = choosePlace({ x: 0, y: 100, width: 320, height: 300 }, { width: 310, height: 200 }, { width: 320, height: 500 })
    expect(phone.x).toBeGreaterThanOrEqual(0)
    expect(phone.y + 200).toBeLessThanOrEqual(500)
  })
})

test("attempts are spread, at least half and at most a minute", () => {
  expect(backoff(1, 0)).toBe(1)
  expect(backoff(3, 1)).toBe(8)
  expect(backoff(30, 1)).toBe(60)
})
