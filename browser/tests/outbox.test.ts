// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { MAX_AGE_MS, MAX_ITEMS, outbox } from "../src/outbox.js"
import { keys, write } from "../src/storage.js"

let user = ""
let answers: (Response | Error)[] = []
let sent: unknown[][] = []
const open = () =>
  outbox<number>("test", () => user, async (items, body) => {
    expect(body({ items })).toMatchObject({ method: "POST", keepalive: true })
    sent.push([...items])
    const answer = answers.shift() ?? new Response("{}")
    if (answer instanceof Error) throw answer
    return answer
  })
const kept = () => keys("sojourn.test.").length

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse("2026-12-01T12:00:00Z") })
  keys("").forEach((key) => write(key, null))
  ;[user, answers, sent] = ["", [], []]
})
afterEach(() => void vi.useRealTimers())

test("what a moment brings goes in one request, in its order", async () => {
  const box = open()
  for (const item of [1, 2, 3]) box.add(item)
  await vi.advanceTimersByTimeAsync(20)
  expect(sent).toEqual([[1, 2, 3]])
  expect(kept()).toBe(0)
})

test("it stays while the API cannot be reached, also for the next page", async () => {
  answers = [new TypeError("offline"), new Response("", { status: 503, headers: { "Retry-After": "7" } })]
  const box = open()
  box.add(1)
  await vi.advanceTimersByTimeAsync(3_000)
  expect([sent.length, kept()]).toEqual([2, 1])
  await vi.advanceTimersByTimeAsync(3_500)
  expect(sent.length).toBe(2)
  await open().flush()
  expect(sent).toEqual([[1], [1], [1]])
  expect(kept()).toBe(0)
})

test("what the API refuses is not sent again", async () => {
  answers = [new Response("", { status: 422 })]
  open().add(1)
  await vi.advanceTimersByTimeAsync(120_000)
  expect([sent.length, kept()]).toEqual([1, 0])
})

test("it keeps a hundred for a day", async () => {
  answers = [new TypeError("offline")]
  const box = open()
  for (let item = 0; item < MAX_ITEMS + 20; item += 1) box.add(item)
  expect(kept()).toBe(MAX_ITEMS)
  vi.setSystemTime(Date.now() + MAX_AGE_MS + 1)
  await box.flush()
  expect([sent.length, kept()]).toEqual([0, 0])
})

test("what concerns a user waits for this user", async () => {
  const box = open()
  user = "ada"
  box.add(1)
  user = "bob"
  await vi.advanceTimersByTimeAsync(20)
  expect([sent.length, kept()]).toEqual([0, 1])
  user = "ada"
  await box.flush()
  expect(sent).toEqual([[1]])
})
