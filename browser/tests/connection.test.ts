// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest"
import { follow, type Snapshot } from "../src/connection.js"
import type { Http } from "../src/http.js"
import { message } from "./messages.js"
import { Channel, Locks } from "./other_tabs.js"

const ids = (state: Snapshot | undefined) => state?.messages.map((one) => one.message_id)
const event = (name: string, data: object) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`

let told: Snapshot | undefined
let asked: string[] = []
let stopping = new AbortController()
/** The API: it answers calls in turn, and then no more. */
function begin(...answers: Response[]): void {
  const send = (path: string) => {
    asked.push(path)
    return Promise.resolve(answers.shift() ?? new Promise<Response>(() => {})) as Promise<Response>
  }
  follow({ send, renew: async () => void asked.push("renew") } as Partial<Http> as Http, "name", stopping.signal, (state) => (told = state))
}
const stream = (...parts: string[]) =>
  new Response(new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(new TextEncoder().encode(part))
      controller.close()
    },
  }))
const inbox = (seq: number, open: string[], ...given: string[]) =>
  new Response(JSON.stringify({ seq, open, messages: given.map((id) => message({ message_id: id })), next_poll: 30 }))

beforeEach(() => {
  vi.useFakeTimers()
  // The middle of each pause: its ends would meet the limits of the tests by chance.
  vi.spyOn(Math, "random").mockReturnValue(0.5)
  ;[told, asked, stopping] = [undefined, [], new AbortController()]
})
afterEach(() => {
  stopping.abort()
  vi.restoreAllMocks()
  vi.useRealTimers()
})

test("a stream tells what comes and goes, wherever its parts are cut", async () => {
  const text = event("open", { open: ["a"], seq: 3 }) + event("message", message({ message_id: "a", seq: 3 })) +
    event("ping", {}) + event("message", message({ message_id: "b", seq: 4 })) + event("withdrawn", { message_id: "a" })
  begin(stream(...[0, 1, 2, 3].map((part) => text.slice((part * text.length) / 4, ((part + 1) * text.length) / 4))))
  await vi.advanceTimersByTimeAsync(1)
  expect(told).toMatchObject({ seq: 4, open: ["b"] })
  expect(ids(told)).toEqual(["b"])
  // Its token ends soon after.
  expect(asked).toEqual(["/v1/client/stream", "renew"])
})

test("a stream that begins again drops what went, and asks once for what came back", async () => {
  begin(
    stream(event("open", { open: ["a", "b"], seq: 3 }), event("message", message({ message_id: "a", seq: 3 }))),
    stream(event("open", { open: ["b", "c"], seq: 3 })),
    // What has shown as often as it may is open, and is not given.
    inbox(3, ["b", "c"], "c"),
    stream(event("open", { open: ["b", "c"], seq: 3 })),
  )
  await vi.advanceTimersByTimeAsync(5_000)
  expect(ids(told)).toEqual(["c"])
  expect(asked.filter((one) => one !== "renew")).toEqual(
    ["/v1/client/stream", "/v1/client/stream", "/v1/client/messages?since=0", "/v1/client/stream", "/v1/client/stream"],
  )
})

test("without room for a stream it polls, and tries again", async () => {
  const full = () => new Response("", { status: 503, headers: { "Retry-After": "60" } })
  begin(full(), inbox(5, ["a"], "a"), full(), inbox(6, ["a", "b"], "b"), full(), inbox(6, ["b"]))
  await vi.advanceTimersByTimeAsync(95_000)
  expect(asked).toEqual([0, 5, 6].flatMap((since) => ["/v1/client/stream", `/v1/client/messages?since=${since}`]).concat("/v1/client/stream"))
  expect(ids(told)).toEqual(["b"])
})

test.each(["ends", "breaks"])("a page stays away for as long as a stream says that %s", async (how) => {
  const told = new TextEncoder().encode(`retry: 4000\n\n${event("open", { open: [], seq: 0 })}`)
  let end = () => {}
  begin(new Response(new ReadableStream({
    start(controller) {
      controller.enqueue(told)
      end = () => (how === "ends" ? controller.close() : controller.error(new TypeError("network error")))
    },
  })))
  await vi.advanceTimersByTimeAsync(1)
  end()
  const streams = () => asked.filter((one) => one === "/v1/client/stream").length
  await vi.advanceTimersByTimeAsync(3_990)
  expect(streams()).toBe(1)
  await vi.advanceTimersByTimeAsync(2_100)
  expect(streams()).toBe(2)
})

test("failures are followed by longer and longer pauses", async () => {
  begin(...Array.from({ length: 5 }, () => new Response("", { status: 500 })))
  await vi.advanceTimersByTimeAsync(30_000)
  expect(asked.length).toBe(5)
  await vi.advanceTimersByTimeAsync(15_000)
  expect(asked.length).toBe(5)
  await vi.advanceTimersByTimeAsync(20_000)
  expect(asked.length).toBe(6)
})

test("a stream that opened ends the count of failures", async () => {
  const fail = () => new Response("", { status: 500 })
  const parts = [new TextEncoder().encode(event("open", { open: [], seq: 0 }))]
  const broken = () => new Response(new ReadableStream({
    pull(controller) {
      const part = parts.pop()
      if (part) controller.enqueue(part)
      else controller.error(new TypeError("network error"))
    },
  }, { highWaterMark: 0 }))
  begin(...Array.from({ length: 5 }, fail), broken())
  for (let second = 0; second < 70 && asked.length < 6; second += 1) await vi.advanceTimersByTimeAsync(1_000)
  expect(asked.length).toBe(6)
  // After six failures it would be half a minute at least.
  await vi.advanceTimersByTimeAsync(3_000)
  expect(asked.length).toBe(7)
})

describe("tabs that share a connection", () => {
  let locks: Locks
  let sight: string
  const look = (state: string) => {
    sight = state
    document.dispatchEvent(new Event("visibilitychange"))
    return vi.advanceTimersByTimeAsync(1_000)
  }
  /** Another tab that has the connection. */
  const lead = (answer?: object) => {
    const other = new Channel("name")
    other.onmessage = ({ data }) => (data as { hello?: true }).hello && answer && other.postMessage(answer)
    locks.request("name", {}, () => new Promise(() => {})).catch(() => {})
    stopping.signal.addEventListener("abort", () => other.close())
  }

  beforeEach(() => {
    ;[locks, sight] = [new Locks(), "visible"]
    vi.stubGlobal("BroadcastChannel", Channel)
    vi.stubGlobal("origin", "https://shop.example")
    vi.spyOn(navigator, "locks", "get").mockReturnValue(locks as unknown as LockManager)
    vi.spyOn(document, "visibilityState", "get").mockImplementation(() => sight as DocumentVisibilityState)
  })
  afterEach(() => {
    vi.unstubAllGlobals()
    vi.restoreAllMocks()
  })

  test("one that is out of sight asks once, and the one in sight takes the connection of one that sleeps", async () => {
    lead()
    sight = "hidden"
    begin(inbox(1, ["a"], "a"), stream(event("open", { open: ["a"], seq: 1 }), event("message", message({ message_id: "b", seq: 2 }))))
    await vi.advanceTimersByTimeAsync(1_000)
    expect(asked).toEqual(["/v1/client/messages?since=0"])
    await look("visible")
    expect(asked.slice(1, 2)).toEqual(["/v1/client/stream"])
    expect(ids(told)).toEqual(["a", "b"])
  })

  test.each<[string, object]>([["messages", { state: { seq: 1, open: [], messages: [] } }], ["none yet", { state: false }]])(
    "one that answers with %s keeps it", async (_, answer) => {
      lead(answer)
      begin()
      await look("hidden")
      await look("visible")
      expect(asked).toEqual([])
    },
  )

  test("one whose connection was taken asks no more, until the other has gone", async () => {
    begin(new Response("", { status: 500 }))
    await vi.advanceTimersByTimeAsync(1_000)
    const leave = locks.steal("name")
    await vi.advanceTimersByTimeAsync(600_000)
    expect(asked).toEqual(["/v1/client/stream"])
    leave()
    await vi.advanceTimersByTimeAsync(1)
    expect(asked).toEqual(["/v1/client/stream", "/v1/client/stream"])
  })
})
