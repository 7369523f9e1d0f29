// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { setFull } from "./full_storage.js"
import type { Looks } from "../src/board.js"
import { start, type Options, type Sojourn } from "../src/client.js"
import type { Settings } from "../src/contract.js"
import { anonymousId, keys } from "../src/storage.js"
import { makeStage } from "../src/views/index.js"
import { message } from "./messages.js"

interface Request {
  path: string
  anonymous: string | undefined
  as: string
  body: string
}

let requests: Request[] = []
let streams: Response[] = []
let settings: Settings | Error
const begin = (options: Partial<Options> = {}) =>
  start({ url: "https://api.example", writeKey: "key", headless: true, ...options }, () => new Promise<Looks>(() => {}))
const settle = () => vi.advanceTimersByTimeAsync(50)
const tokens = () => requests.splice(0).map((one) => one.as)
const events = () => requests.splice(0).filter(({ path }) => path === "/v1/batch").flatMap(({ body }) =>
  (JSON.parse(body) as { batch: { event: string }[] }).batch.map((one) => one.event))
/** A stream of one message. */
function streamOne(): Response {
  const one = message({ expires_at: "2099-01-01T00:00:00Z" })
  const text = `event: open\ndata: {"open":["m-1"],"seq":1}\n\nevent: message\ndata: ${JSON.stringify(one)}\n\n`
  return new Response(new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode(text)) }))
}
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
    const { Authorization: as = "nobody", "X-Anonymous-Id": anonymous } = headers as Record<string, string>
    requests.push({ path, as, anonymous, body: String(body) })
    if (path === "/v1/client/stream") return streams.shift() ?? new Promise<Response>(() => {})
    if (path !== "/v1/client/settings") return new Response("{}")
    if (settings instanceof Error) throw settings
    return Response.json(settings)
  })
})
afterEach(async () => {
  dispatchEvent(new Event("pagehide"))
  await settle()
  vi.useRealTimers()
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
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

test("another user is not asked for by the token of the user before", async () => {
  let who = "ada"
  const source = vi.fn(() => `of-${who}`)
  const client = begin({ userId: "ada", userToken: source })
  client.track("Seen")
  await settle()
  // The calls of a page ask once together.
  expect(source).toHaveBeenCalledTimes(1)
  expect(new Set(tokens())).toEqual(new Set(["Bearer of-ada"]))
  client.identify("ada")
  await settle()
  expect(source).toHaveBeenCalledTimes(1)
  tokens()
  who = "bob"
  client.identify("bob")
  await settle()
  expect(new Set(tokens())).toEqual(new Set(["Bearer of-bob"]))
})

test("a token that was given once goes with its user", async () => {
  const client = begin({ userId: "ada", userToken: "of-ada" })
  client.identify("ada")
  await settle()
  expect(new Set(tokens())).toEqual(new Set(["Bearer of-ada"]))
  client.identify("bob")
  await settle()
  expect(new Set(tokens())).toEqual(new Set(["nobody"]))
})

test("the first user of a page keeps the token that it began with", async () => {
  const client = begin({ userToken: "of-ada" })
  client.identify("ada")
  await settle()
  expect(new Set(tokens())).toEqual(new Set(["Bearer of-ada"]))
})

test("the last reports of someone without a name are of them, also at a log-out", async () => {
  const client = begin()
  await settle()
  const before = anonymousId()
  requests = []
  client.react("m-1", "clicked")
  client.reset()
  await settle()
  expect(requests.filter(({ path }) => path === "/v1/client/reactions").map((one) => one.anonymous)).toEqual([before])
})

test("the messages of a person go as another one comes, also for components of the page", async () => {
  streams = [streamOne()]
  const client = begin({ userId: "ada", userToken: "of-ada" })
  const told: number[] = []
  client.messages.subscribe((messages) => told.push(messages.length))
  await settle()
  expect(told.slice(-1)).toEqual([1])
  client.reset()
  expect(told.slice(-1)).toEqual([0])
})

test("views are loaded once for all who come, and again if that failed", async () => {
  const loads: (() => void)[] = []
  const client = start({ url: "https://api.example", writeKey: "key" }, () =>
    new Promise<Looks>((_, reject) => loads.push(() => reject(new Error("offline")))))
  for (const [user, count] of [["ada", 1], ["bob", 1], ["eve", 2]] as const) {
    streams = [streamOne()]
    client.identify(user)
    await settle()
    expect(loads.length).toBe(count)
    if (user === "bob") loads[0]!()
    await settle()
  }
})

test("a trigger that this build does not know stops no other", async () => {
  document.body.innerHTML = "<button></button>"
  const known = { event: "Known", kind: "feature_used", element: "button", once_per: "page" } as const
  settings = { triggers: [{ ...known, kind: "telepathy" as "scroll" }, known], between: 0 }
  begin()
  await settle()
  document.querySelector("button")!.click()
  await settle()
  expect(events()).toEqual(["Known"])
})

test("a token says who is here, also to the calls that were made before it came", async () => {
  const [source, answer] = slowSource()
  const client = begin({ userToken: source, trackPages: true })
  client.track("Seen")
  await settle()
  expect(requests.map(({ path }) => path)).toEqual([])
  answer(`e30.${btoa(JSON.stringify({ sub: "ada" }))}.sig`)
  await settle()
  client.track("Bought")
  await settle()
  const batches = requests.filter(({ path }) => path === "/v1/batch").flatMap(({ body }) =>
    (JSON.parse(body) as { batch: { type: string; userId: string }[] }).batch)
  expect(batches.map(({ type, userId }) => [type, userId])).toEqual([["page", "ada"], ["track", "ada"], ["track", "ada"]])
  client.identify("ada")
  // It is known already: nothing begins anew.
  expect(requests.filter(({ path }) => path === "/v1/client/stream").length).toBe(1)
})

test.each<[string, (client: Sojourn) => void, string | undefined]>([
  ["the page is left", () => dispatchEvent(new Event("pagehide")), undefined],
  ["the page says who is here", (client) => client.identify("bob", {}, { userToken: "of-bob" }), "bob"],
])("calls wait no longer for a token when %s", async (_, end, expected) => {
  const client = begin({ userToken: slowSource()[0] })
  client.track("Seen")
  end(client)
  const [kept] = keys("sojourn.calls.").map((key) => JSON.parse(localStorage.getItem(key)!) as { item: { userId?: string } })
  expect(kept!.item.userId).toBe(expected)
})

test("a message that a component of the page has closed is no more for it", async () => {
  streams = [streamOne()]
  const client = begin()
  const told: number[] = []
  client.messages.subscribe((messages) => told.push(messages.length))
  await settle()
  client.react("m-1", "clicked")
  expect(told.slice(-1)).toEqual([1])
  client.react("m-1", "dismissed")
  expect(told.slice(-1)).toEqual([0])
})

test("a message lasts by the clock of the API, however wrong that of the browser is", async () => {
  const api = Date.now() - 48 * 3_600_000
  const given = message({ message_id: "m", expires_at: new Date(api + 3_600_000).toISOString() })
  const text = `event: message\ndata: ${JSON.stringify(given)}\n\n`
  streams.push(new Response(text, { headers: { Date: new Date(api).toUTCString() } }))
  const expiries: number[] = []
  begin().messages.subscribe((all) => expiries.push(...all.map((one) => Date.parse(one.expires_at))))
  await settle()
  expect(expiries.length).toBe(1)
  expect(expiries[0]).toBeGreaterThan(Date.now())
})

test("someone whose anonymous id a header does not take as it is reports like others", async () => {
  localStorage.setItem("ajs_anonymous_id", '"имя ü 😀"')
  const client = begin()
  client.track("Seen")
  await settle()
  const [sent] = requests.filter(({ path }) => path === "/v1/batch")
  expect(new TextDecoder().decode(Uint8Array.from(new Headers({ id: sent!.anonymous! }).get("id")!, (one) => one.charCodeAt(0))))
    .toBe("имя ü 😀")
})

test("all tabs of a person share one stream, and all tabs one turn, however late a token says who is here", async () => {
  const locks: string[] = []
  const request = async (name: string, _: object, action: () => Promise<void>) => {
    locks.push(name)
    await action()
  }
  vi.stubGlobal("origin", "https://shop.example")
  vi.spyOn(navigator, "locks", "get").mockReturnValue({ request } as unknown as LockManager)
  const visit = async (options: Partial<Options>) => {
    streams = [streamOne()]
    start({ url: "https://api.example", writeKey: "key", ...options }, async () => ({ views: { banner: { show: () => {} } }, makeStage }))
    await settle()
    await vi.advanceTimersByTimeAsync(1_000)
    dispatchEvent(new Event("pagehide"))
    return locks.splice(0)
  }
  const token = `e30.${btoa(JSON.stringify({ sub: "ada" }))}.sig`
  const first = await visit({ userToken: async () => token })
  // The browser knows her by now, and not that she has seen the message.
  for (const name of [...keys("sojourn.seen."), "sojourn.quiet"]) localStorage.removeItem(name)
  const later = await visit({ userToken: async () => token })
  expect(first).toEqual(later)
  expect(first).toEqual(["sojourn.key.ada", "sojourn.key.turn"])
  localStorage.clear()
  // Someone else has other messages, and interrupts no one at the same time.
  const [other, turn] = await visit({})
  expect(other).not.toBe(first[0])
  expect(turn).toBe(first[1])
})

/** Another tab of the same origin writes into their storage. */
function writeElsewhere(key: string, value: string | null): void {
  if (value === null) localStorage.removeItem(key)
  else localStorage.setItem(key, value)
  dispatchEvent(new StorageEvent("storage", { key, newValue: value }))
}

test.each<[string, string | null]>([["logs out", null], ["logs another user in", "bob"]])(
  "when another tab %s, the user and their messages leave this one", async (_, user) => {
    streams = [streamOne()]
    const client = begin({ userId: "ada", userToken: "of-ada" })
    const told: number[] = []
    client.messages.subscribe((messages) => told.push(messages.length))
    await settle()
    writeElsewhere("sojourn.other", "x")
    expect(told.slice(-1)).toEqual([1])
    requests = []
    writeElsewhere("sojourn.user", user)
    client.track("Seen")
    await settle()
    expect(told.slice(-1)).toEqual([0])
    expect(new Set(tokens())).toEqual(new Set(["nobody"]))
    // It says nothing of its own to the others.
    expect(localStorage.getItem("sojourn.user")).toBe(user)
  },
)

test("a page that comes back after a log-out elsewhere shows nothing of the user", async () => {
  begin({ userId: "ada", userToken: "of-ada" })
  await settle()
  dispatchEvent(new Event("freeze"))
  // A page that sleeps hears of nothing.
  localStorage.removeItem("sojourn.user")
  requests = []
  dispatchEvent(new Event("resume"))
  await settle()
  expect(new Set(tokens())).toEqual(new Set(["nobody"]))
})

test("a page that sleeps has no stream, and has one when it wakes", async () => {
  const asked = () => requests.splice(0).filter(({ path, as }) => path === "/v1/client/stream" && as === "Bearer of-zoe").length
  begin({ userId: "zoe", userToken: "of-zoe" })
  await settle()
  dispatchEvent(new Event("freeze"))
  await settle()
  expect(asked()).toBe(1)
  await vi.advanceTimersByTimeAsync(600_000)
  expect(requests).toEqual([])
  dispatchEvent(new Event("resume"))
  // After the way back to a page that was kept, browsers say both.
  dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }))
  await settle()
  expect(asked()).toBe(1)
})

test("a page that is made ready before someone opens it counts from then on", async () => {
  let isReady = false
  Object.defineProperty(document, "prerendering", { configurable: true, get: () => !isReady })
  const client = begin({ userId: "ada", userToken: "of-ada", trackPages: true })
  client.track("Seen")
  await vi.advanceTimersByTimeAsync(60_000)
  expect(requests).toEqual([])
  expect(keys("sojourn.")).toEqual([])
  isReady = true
  const opened = Date.now()
  document.dispatchEvent(new Event("prerenderingchange"))
  await settle()
  const [batch] = requests.filter(({ path }) => path === "/v1/batch")
  const calls = (JSON.parse(batch!.body) as { batch: { type: string; timestamp: string }[] }).batch
  expect(calls.map(({ type }) => type)).toEqual(["page", "track"])
  expect(calls.map(({ timestamp }) => Date.parse(timestamp))).toEqual([opened, opened])
  expect(requests.some(({ path }) => path === "/v1/client/stream")).toBe(true)
  delete (document as { prerendering?: boolean }).prerendering
})

test("two tabs that report a trigger of a session at once report the same event", async () => {
  document.body.innerHTML = "<button></button>"
  const trigger = (kind: string) => ({ event: "Pressed", kind, element: "button", percent: 1, once_per: "session" }) as never
  settings = { triggers: [trigger("feature_used"), trigger("scroll")], between: 0 }
  for (const _ of ["one", "other"]) {
    begin()
    await settle()
    document.querySelector("button")!.click()
    await settle()
    // What one of them has noted has not reached the other yet.
    localStorage.removeItem("sojourn.fired")
  }
  const ids = requests.filter(({ path }) => path === "/v1/batch").flatMap(({ body }) =>
    (JSON.parse(body) as { batch: { messageId: string }[] }).batch.map((one) => one.messageId))
  expect(ids.length).toBe(4)
  expect(new Set(ids).size).toBe(2)
})
