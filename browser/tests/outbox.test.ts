// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest"
import type { Http } from "../src/http.js"
import { MAX_AGE_MS, MAX_BYTES, MAX_ITEMS, outbox } from "../src/outbox.js"
import { keys, write } from "../src/storage.js"

let user = ""
let answers: (Response | Error | Promise<Response>)[] = []
let sent: unknown[][] = []
let requests: RequestInit[] = []
const send = async (path: string, options: RequestInit) => {
  expect([path, options.method]).toEqual(["/path", "POST"])
  requests.push(options)
  sent.push((JSON.parse(options.body as string) as { items: unknown[] }).items)
  const answer = await (answers.shift() ?? new Response("{}"))
  if (answer instanceof Error) throw answer
  return answer
}
const open = <Item = number>() => outbox<Item>("test", () => user, { send } as Partial<Http> as Http, "/path", (items) => ({ items }))
const sizes = () => requests.map(({ body }) => new TextEncoder().encode(body as string).length)
const kept = () => keys("sojourn.test.").length

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse("2026-12-01T12:00:00Z") })
  // The middle of each pause: its ends would meet the limits of the tests by chance.
  vi.spyOn(Math, "random").mockReturnValue(0.5)
  keys("").forEach((key) => write(key, null))
  ;[user, answers, sent, requests] = ["", [], [], []]
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

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

test("requests are bounded by their bytes, which are more than their letters", async () => {
  const box = open<string>()
  for (const letter of ["д", "猫", "é", "ж"]) box.add(letter.repeat(15_000))
  await vi.advanceTimersByTimeAsync(20)
  // Each item is whole, in its order.
  expect(sent.flat().map((one) => (one as string)[0])).toEqual(["д", "猫", "é", "ж"])
  for (const size of sizes()) expect(size).toBeLessThan(MAX_BYTES + 100)
  expect(requests.every(({ keepalive }) => keepalive)).toBe(true)
})

test("an item beyond the bound goes alone, and does not outlive its page", async () => {
  const box = open<string>()
  for (const size of [1, 30_000, 1]) box.add("猫".repeat(size))
  await vi.advanceTimersByTimeAsync(20)
  expect(sent.map((one) => one.length)).toEqual([1, 1, 1])
  expect(requests.map(({ keepalive }) => keepalive)).toEqual([true, false, true])
})

test("all that is on its way together is bounded as well", async () => {
  let finish = (_: Response) => {}
  answers = [new Promise((resolve) => (finish = resolve))]
  const [one, other] = [open<string>(), outbox<string>("more", () => user, { send } as Partial<Http> as Http, "/path", (items) => ({ items }))]
  one.add("a".repeat(40_000))
  other.add("b".repeat(40_000))
  await vi.advanceTimersByTimeAsync(20)
  expect(requests.map(({ keepalive }) => keepalive)).toEqual([true, false])
  finish(new Response("{}"))
  await vi.advanceTimersByTimeAsync(20)
  other.add("c".repeat(40_000))
  await vi.advanceTimersByTimeAsync(20)
  expect(requests[2]!.keepalive).toBe(true)
})

test("requests that are too large are halved, until a single item is dropped", async () => {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => {})
  const refuse = () => new Response("", { status: 413 })
  answers = [refuse(), refuse(), new Response("{}"), refuse()]
  const box = open()
  for (const item of [1, 2, 3, 4]) box.add(item)
  await vi.advanceTimersByTimeAsync(20)
  expect(sent).toEqual([[1, 2, 3, 4], [1, 2], [1], [2], [3], [4]])
  expect(kept()).toBe(0)
  expect(warn.mock.calls).toEqual([["sojourn: dropped one of test, which is too large"]])
  box.add(5)
  box.add(6)
  await vi.advanceTimersByTimeAsync(20)
  expect(sent[6]).toEqual([5, 6])
  warn.mockRestore()
})
