// @vitest-environment happy-dom
import { beforeEach, expect, test, vi } from "vitest"
import { setFull } from "./full_storage.js"
import { readEvent } from "../src/connection.js"
import { anonymousId, keys, makeId, read, renewAnonymousId, session, write } from "../src/storage.js"

beforeEach(() => localStorage.clear())

test("it is the person of analytics.js, whichever way that has written it", () => {
  localStorage.setItem("ajs_anonymous_id", '"a-1"')
  expect(anonymousId()).toBe("a-1")
  localStorage.setItem("ajs_anonymous_id", "a-2")
  expect(anonymousId()).toBe("a-2")
})

test("without one it makes one, which analytics.js finds", () => {
  const id = anonymousId()
  expect(JSON.parse(read("ajs_anonymous_id")!)).toBe(id)
  expect(anonymousId()).toBe(id)
  expect(renewAnonymousId()).not.toBe(id)
})

test("a session lasts until half an hour passes without anything", () => {
  vi.useFakeTimers()
  const id = session()
  vi.setSystemTime(Date.now() + 29 * 60_000)
  expect(session()).toBe(id)
  vi.setSystemTime(Date.now() + 31 * 60_000)
  expect(session()).not.toBe(id)
  vi.useRealTimers()
})

test("a session of a clock that was ahead ends once the clock is right", () => {
  vi.useFakeTimers()
  const right = Date.now()
  vi.setSystemTime(right + 365 * 86_400_000)
  const id = session()
  vi.setSystemTime(right)
  expect(session()).not.toBe(id)
  expect(session()).toBe(session())
  vi.useRealTimers()
})

test("ids are random", () => {
  expect(makeId()).toMatch(/^[\da-f]{32}$/)
  expect(makeId()).not.toBe(makeId())
})

test("what a full storage refuses is kept in memory, and nothing before it comes back", () => {
  write("sojourn.user", "ada")
  setFull(true)
  write("sojourn.user", "bob")
  expect(read("sojourn.user")).toBe("bob")
  expect(keys("sojourn.")).toEqual(["sojourn.user"])
  expect(localStorage.getItem("sojourn.user")).toBeNull()
  setFull(false)
  write("sojourn.user", "eve")
  expect([read("sojourn.user"), localStorage.getItem("sojourn.user"), keys("sojourn.").length]).toEqual(["eve", "eve", 1])
})

test.each([
  ["event: message\nid: 3\ndata: {\"a\":1}", { event: "message", data: '{"a":1}' }],
  ["event:withdrawn\r\ndata:x\r\ndata: y", { event: "withdrawn", data: "x\ny" }],
  ["data: a\u2028b\u2029c", { event: "message", data: "a\u2028b\u2029c" }],
  ["data: a: b", { event: "message", data: "a: b" }],
  [": a comment", { event: "", data: "" }],
  ["event: ping\ndata: ", { event: "ping", data: "" }],
  ["retry: 2500", { event: "", data: "", retry: "2500" }],
  ["retry: soon", { event: "", data: "" }],
])("an event of a stream is read: %s", (text, found) => expect(readEvent(text)).toEqual(found))
