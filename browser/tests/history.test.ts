// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test } from "vitest"
import { forgetHistory, openHistory, PREFIX, type History } from "../src/history.js"
import { MAX_SHOWS_KEPT, type Seen } from "../src/rules.js"
import { keys } from "../src/storage.js"

let stopping: AbortController
let heard: [string, Seen | undefined][]
let history: History
const stored = (id: string) => JSON.parse(localStorage.getItem(PREFIX + id)!) as Seen
/** Another tab writes this, whatever stands there, and this one hears of it. */
function writeElsewhere(id: string, value: Partial<Seen> | null): void {
  const newValue = value && JSON.stringify(value)
  if (newValue) localStorage.setItem(PREFIX + id, newValue)
  else localStorage.removeItem(PREFIX + id)
  dispatchEvent(Object.assign(new Event("storage"), { key: PREFIX + id, newValue }))
}

beforeEach(() => {
  localStorage.clear()
  ;[stopping, heard] = [new AbortController(), []]
  history = openHistory(stopping.signal, (...given) => heard.push(given))
})
afterEach(() => stopping.abort())

test("a tab that writes without knowing what was done here undoes nothing", () => {
  history.note("a", { shows: [1] })
  history.note("a", { dismissed: true })
  writeElsewhere("a", { shows: [1, 2], clicked: true })
  const all = { shows: [1, 2], clicked: true, dismissed: true }
  expect(history.find("a")).toEqual(all)
  // The other tab hears of it in its turn.
  expect(stored("a")).toEqual(all)
  writeElsewhere("a", all)
  expect(heard.map(([id, before]) => [id, before?.clicked])).toEqual([["a", undefined], ["a", true]])
})

test("nor does this tab undo what it has yet to hear of", () => {
  history.note("a", { shows: [1] })
  localStorage.setItem(PREFIX + "a", JSON.stringify({ shows: [1], completed: true }))
  history.note("a", { shows: [2] })
  expect(stored("a")).toEqual({ shows: [1, 2], completed: true })
})

test("it is read again on the next page, and forgotten at log-out, also by other tabs", () => {
  history.note("a", { step: "two" })
  expect(openHistory(stopping.signal, () => {}).find("a")).toEqual({ shows: [], step: "two" })
  writeElsewhere("a", null)
  expect(history.find("a")).toBeUndefined()
  history.note("b", { clicked: true })
  forgetHistory()
  expect(keys(PREFIX)).toEqual([])
})

test("it is bounded", () => {
  for (let show = 0; show < 300; show += 1) {
    history.note("a", { shows: [show] })
    history.note(`m-${show}`, { shows: [show] })
  }
  expect(keys(PREFIX).length).toBe(200)
  expect([stored("a").shows.length, history.find("m-0"), history.find("m-299")]).toEqual([MAX_SHOWS_KEPT, undefined, { shows: [299] }])
})

test("what others write there is no history", () => {
  for (const text of ["{", "null", "7", '{"shows": null}']) {
    localStorage.setItem(PREFIX + "a", text)
    dispatchEvent(Object.assign(new Event("storage"), { key: PREFIX + "a", newValue: text }))
    expect(openHistory(stopping.signal, () => {}).find("a")?.shows ?? []).toEqual([])
  }
})
