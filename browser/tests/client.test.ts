// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { setFull } from "./full_storage.js"
import type { Views } from "../src/board.js"
import { start, type Options } from "../src/client.js"
import type { Settings } from "../src/contract.js"

interface Request {
  path: string
  as: string
  body: string
}

let requests: Request[] = []
let streams: Response[] = []
let settings: Settings | Error
const begin = (options: Partial<Options> = {}) =>
  start({ url: "https://api.example", writeKey: "key", headless: true, ...options }, () => new Promise<Views>(() => {}))
const settle = () => vi.advanceTimersByTimeAsync(50)
const tokens = () => requests.splice(0).map((one) => one.as)
const events = () => requests.splice(0).filter(({ path }) => path === "/v1/batch").flatMap(({ body }) =>
  (JSON.parse(body) as { batch: { event: string }[] }).batch.map((one) => one.event))
/** A source of a token, which answers when told to. */
function slowSource(): [() => Promise<string | null>, (token: string | null) => void] {
  const waiting: ((token: string | null) => void)[] = []
  return [() => new Promise((resolve) => waiting.push(resolve)), (token) => waiting.splice(0).forEach((answer) => answer(token))]
}

beforeEach(() => {
  vi.useFakeTimers()
  localStorage.clear()
  ;[requests, streams, settings] = [[], [], { triggers: [], between: 0 }]
  vi.stubGlobal("fetch", async (url: string, { headers, body, signal }: RequestInit) => {
    signal?.throwIfAborted()
    const path = new URL(url).pathname
    requests.push({ path, as: (headers as Record<string, string>).Authorization ?? "nobody", body: String(body) })
    if (path === "/v1/client/stream") return streams.shift() ?? new Promise<Response>(() => {})
    if (path !== "/v1/client/settings") return new Response("{}")
    if (settings instanceof Error) throw settings
    return Response.json(settings)
  })
})
afterEach(() => {
  dispatchEvent(new Event("pagehide"))
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

test("after a log-out nothing is asked as the user whose token was still on its way", async () => {
  const [source, answer] = slowSource()
  const client = begin({ userId: "ada", userToken: source })
  await settle()
  client.reset()
  answer("of-ada")
  await settle()
  client.track("Seen")
  await settle()
  expect(new Set(tokens())).toEqual(new Set(["nobody"]))
})

test("nor as the user before another one, but for what was said of them", async () => {
  const [source, answer] = slowSource()
  const client = begin({ userId: "ada", userToken: source })
  client.track("Seen")
  await settle()
  client.identify("bob", {}, { userToken: "of-bob" })
  await settle()
  answer("of-ada")
  await settle()
  const found = requests.splice(0)
  expect(found.filter(({ as }) => as !== "Bearer of-bob").map(({ path, as }) => [path, as])).toEqual([["/v1/batch", "Bearer of-ada"]])
  client.track("Bought")
  await settle()
  expect(tokens()).toEqual(["Bearer of-bob"])
})

test("what waits for a token that never comes is not said of whoever comes next", async () => {
  const [source, answer] = slowSource()
  const client = begin({ userId: "ada", userToken: source })
  client.track("Seen")
  await settle()
  client.reset()
  answer(null)
  await vi.advanceTimersByTimeAsync(10_000)
  expect(events()).toEqual([])
})

test("a stream that has ended is followed by one with a new token", async () => {
  let token = "old"
  let end = () => {}
  streams = [new Response(new ReadableStream({ start: (controller) => void (end = () => controller.close()) }))]
  begin({ userId: "ada", userToken: () => token })
  await settle()
  token = "new"
  end()
  await vi.advanceTimersByTimeAsync(3_000)
  const found = requests.filter(({ path }) => path === "/v1/client/stream").map((one) => one.as)
  expect(found).toEqual(["Bearer old", "Bearer new"])
})

test("with a full storage events are sent nevertheless", async () => {
  setFull(true)
  begin().track("Seen")
  await settle()
  setFull(false)
  expect(events()).toEqual(["Seen"])
})

test("each page of an application reports the triggers that are needed now", async () => {
  document.body.innerHTML = "<button></button>"
  const trigger = (event: string) => ({ event, kind: "feature_used", element: "button", once_per: "page" }) as const
  const press = async () => {
    await settle()
    document.querySelector("button")!.click()
    await settle()
    return events()
  }
  settings = { triggers: [trigger("Old")], between: 0 }
  begin()
  expect(await press()).toEqual(["Old"])
  settings = { triggers: [trigger("New")], between: 0 }
  history.pushState({}, "", "/next")
  expect(await press()).toEqual(["New"])
  // Those of the page before, while they cannot be known.
  settings = new Error("offline")
  history.pushState({}, "", "/last")
  expect(await press()).toEqual(["New"])
  settings = { triggers: [], between: 0 }
  history.pushState({}, "", "/end")
  expect(await press()).toEqual([])
})
