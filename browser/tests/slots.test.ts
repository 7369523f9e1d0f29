// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest"
import type { Message } from "../src/contract.js"
import type { Http } from "../src/http.js"
import { fillSlots, MAX_HIDDEN_MS } from "../src/slots.js"

const HERO = { message_id: "m-1" } as Message
let end = new AbortController()
let signals: AbortSignal[] = []
let filled: [Element, Message][] = []
const hero = () => document.querySelector<HTMLElement>("[data-sojourn-slot=hero]")!
const isHidden = () => hero().style.visibility === "hidden"

/** Fill the slots of a page whose API answers after so many milliseconds. */
function open(answersAfter: number): void {
  const send = (_: string, { signal }: RequestInit = {}) => {
    signals.push(signal!)
    return new Promise<Response>((resolve) =>
      setTimeout(() => resolve(new Response(JSON.stringify({ slots: { hero: HERO } }))), answersAfter),
    )
  }
  fillSlots({ send } as unknown as Http, end.signal, async () => {}, (element, message) => void filled.push([element, message]))
}

beforeEach(() => {
  vi.useFakeTimers()
  document.body.innerHTML = "<div data-sojourn-slot=hero>Own</div>"
  ;[end, signals, filled] = [new AbortController(), [], []]
})
afterEach(() => {
  end.abort()
  vi.useRealTimers()
})

test("a slot without an answer shows its own content after 300 ms, and not before", async () => {
  expect(MAX_HIDDEN_MS).toBe(300)
  open(3_600_000)
  await vi.advanceTimersByTimeAsync(MAX_HIDDEN_MS - 1)
  expect(isHidden()).toBe(true)
  await vi.advanceTimersByTimeAsync(1)
  expect([isHidden(), signals[0]!.aborted, filled.length]).toEqual([false, true, 0])
})

test("an answer in time shows at once", async () => {
  open(MAX_HIDDEN_MS - 1)
  await vi.advanceTimersByTimeAsync(MAX_HIDDEN_MS - 1)
  expect([isHidden(), filled]).toEqual([false, [[hero(), HERO]]])
})

test("a late answer changes nothing that is in sight", async () => {
  open(MAX_HIDDEN_MS + 1)
  await vi.advanceTimersByTimeAsync(MAX_HIDDEN_MS + 1_000)
  expect([isHidden(), filled]).toEqual([false, []])
})

test("a page may have more slots than the API takes names at a time", async () => {
  document.body.innerHTML = Array.from({ length: 45 }, (_, n) => `<div data-sojourn-slot="slot-${n}">Own</div>`).join("")
  const asked: string[][] = []
  const send = async (path: string) => {
    const names = decodeURIComponent(path.split("names=")[1]!).split(",")
    asked.push(names)
    return new Response(JSON.stringify({ slots: Object.fromEntries(names.map((name) => [name, HERO])) }))
  }
  fillSlots({ send } as unknown as Http, end.signal, async () => {}, (element, message) => void filled.push([element, message]))
  await vi.advanceTimersByTimeAsync(1)
  expect(asked.map((names) => names.length)).toEqual([20, 20, 5])
  expect(filled.length).toBe(45)
})

test("a slot whose looks come too late keeps its own content", async () => {
  const send = async () => new Response(JSON.stringify({ slots: { hero: HERO } }))
  const load = () => new Promise<void>((resolve) => setTimeout(resolve, MAX_HIDDEN_MS + 1))
  fillSlots({ send } as unknown as Http, end.signal, load, (element, message) => void filled.push([element, message]))
  await vi.advanceTimersByTimeAsync(MAX_HIDDEN_MS)
  expect(isHidden()).toBe(false)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(filled).toEqual([])
})
