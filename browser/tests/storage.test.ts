// @vitest-environment happy-dom
import { beforeEach, expect, test, vi } from "vitest"
import { readEvent } from "../src/connection.js"
import { anonymousId, makeId, read, renewAnonymousId, session } from "../src/storage.js"

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

test("ids are random", () => {
  expect(makeId()).toMatch(/^[\da-f]{32}$/)
  expect(makeId()).not.toBe(makeId())
})

test.each([
  ["event: message\nid: 3\ndata: {\"a\":1}", "message", '{"a":1}'],
  ["event:withdrawn\r\ndata:x\r\ndata: y", "withdrawn", "x\ny"],
  ["data: a: b", "message", "a: b"],
  [": a comment", "", ""],
  ["event: ping\ndata: ", "ping", ""],
])("an event of a stream is read: %s", (text, event, data) => expect(readEvent(text)).toEqual([event, data]))
