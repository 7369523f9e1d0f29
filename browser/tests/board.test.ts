// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest"
import { board, type Board, type Looks, type Views } from "../src/board.js"
import { PREFIX } from "../src/history.js"
import { makeStage, views as real } from "../src/views/index.js"
import { message } from "./messages.js"

const slot = message({
  kind: "slot", interrupts: false, placement: "hero", expires_at: "2099-01-01T00:00:00Z",
  content: { every: { kind: "until_dismissed" }, data: {}, text: [{ t: "text", v: "Welcome back, Ada" }] },
} as object)
let stopping: AbortController
let reported: string[]
let made: Board
let views: Views
let load: () => Promise<Looks>
const drawn = (views: Views): Looks => ({ views, makeStage })
const bar: Views[string] = {
  show(stage) {
    const bar = document.createElement("aside")
    bar.textContent = stage.message.message_id
    document.body.append(bar)
    stage.onEnd(() => bar.remove())
  },
}
const banner = (id: string, seq: number) => ({
  ...slot, kind: "banner", interrupts: true, message_id: id, seq, content: { every: { kind: "until_dismissed" }, between: 0 },
}) as typeof slot
const bars = () => [...document.querySelectorAll("aside")].map((one) => one.textContent)
const texts = () => [...document.querySelectorAll("section")].map((one) => one.textContent)
const show = async (message = slot) => {
  await made.prepare()
  document.querySelectorAll("section").forEach((one) => made.fill(one, message))
}

beforeEach(() => {
  // All that stands on the page is in sight.
  vi.stubGlobal("IntersectionObserver", class {
    constructor(private readonly callback: (entries: { isIntersecting: boolean }[]) => void) {}
    observe = () => this.callback([{ isIntersecting: true }])
    disconnect = () => {}
  })
  localStorage.clear()
  document.body.innerHTML = "<section>phones</section><section>desktops</section>"
  ;[stopping, reported, views] = [new AbortController(), [], { banner: bar, slot: real.slot! }]
  load = async () => drawn(views)
  made = board({
    name: "test", signal: stopping.signal, renderers: new Map(), loadLooks: () => load(), track: () => {},
    report: (_, kind, details) => reported.push(details?.reason ? `${kind}: ${details.reason}` : kind),
  })
  made.update({ seq: 1, open: [slot.message_id], messages: [slot] })
})
afterEach(() => {
  stopping.abort()
  vi.unstubAllGlobals()
})

test("a slot that stands twice is filled twice, and seen once", async () => {
  await show()
  expect(texts()).toEqual(["Welcome back, Ada", "Welcome back, Ada"])
  expect(reported).toEqual(["shown"])
})

test.each<[string, () => void]>([
  ["it is withdrawn", () => made.update({ seq: 2, open: [], messages: [] })],
  ["its person logs out", () => stopping.abort()],
])("all its places are the page's own again when %s", async (_, end) => {
  await show()
  end()
  expect(texts()).toEqual(["phones", "desktops"])
})

test("a slot that is dismissed in one place goes from all", async () => {
  const content = { ...slot.content, actions: [{ id: "no", label: "No", dismiss: true }] }
  await show({ ...slot, content } as typeof slot)
  document.querySelector("button")!.click()
  expect(texts()).toEqual(["phones", "desktops"])
  expect(reported).toEqual(["shown", "clicked", "dismissed"])
})

test("a time that a clock noted which was ahead keeps no message back", async () => {
  localStorage.setItem("sojourn.quiet", JSON.stringify({ at: Date.now() + 365 * 86_400_000 }))
  const banner = message({ kind: "banner", expires_at: "2099-01-01T00:00:00Z" } as object)
  const show = vi.fn()
  const late = board({
    name: "late", signal: stopping.signal, renderers: new Map(), loadLooks: async () => drawn({ banner: { show } }),
    track: () => {}, report: () => {},
  })
  late.update({ seq: 1, open: [banner.message_id], messages: [banner] })
  await vi.waitFor(() => expect(show).toHaveBeenCalledOnce())
})

test("a message that was dismissed in another tab leaves, and the next has its turn", async () => {
  made.update({ seq: 3, open: ["m-1", "m-2"], messages: [banner("m-1", 2), banner("m-2", 3)] })
  await vi.waitUntil(() => bars().length, { timeout: 4_000 })
  expect(bars()).toEqual(["m-1"])
  const newValue = JSON.stringify({ shows: [], dismissed: true })
  dispatchEvent(Object.assign(new Event("storage"), { key: `${PREFIX}m-1`, newValue }))
  expect(bars()).toEqual([])
  await vi.waitUntil(() => bars().length, { timeout: 4_000 })
  expect(bars()).toEqual(["m-2"])
  expect(reported).toEqual(["shown", "shown"])
})

const open = (stopping: AbortController, ...shown: (typeof slot)[]) => {
  const opened = board({
    name: "page", signal: stopping.signal, renderers: new Map(), loadLooks: async () => drawn(views), track: () => {},
    report: (_, kind) => reported.push(kind),
  })
  opened.setBetween(3_600)
  opened.update({ seq: 9, open: shown.map((one) => one.message_id), messages: shown })
}

test("a message that stands as the page is left comes back at once, and one that was closed does not", async () => {
  const lasting = banner("m-1", 2)
  const patient = { ...lasting, content: { every: { kind: "until_dismissed" }, after: { seconds: 60 } } } as typeof slot
  const other = { ...banner("m-2", 3), priority: 90, content: { every: { kind: "once" } } } as typeof slot
  const [first, second, third] = [new AbortController(), new AbortController(), new AbortController()]
  open(first, lasting)
  await vi.waitUntil(() => bars().length, { timeout: 4_000 })
  first.abort()
  expect(bars()).toEqual([])
  // What it waited for has come about, and what has not shown yet has to wait.
  open(second, other, patient)
  await vi.waitUntil(() => bars().length, { timeout: 4_000 })
  expect(bars()).toEqual(["m-1"])
  dispatchEvent(Object.assign(new Event("storage"), { key: `${PREFIX}m-1`, newValue: JSON.stringify({ shows: [], clicked: true }) }))
  await new Promise((resolve) => setTimeout(resolve, 10))
  expect(bars()).toEqual(["m-1"])
  second.abort()
  localStorage.setItem(`${PREFIX}m-1`, JSON.stringify({ shows: [], dismissed: true }))
  open(third, other, patient)
  await new Promise((resolve) => setTimeout(resolve, 200))
  expect(bars()).toEqual([])
  third.abort()
})

test("a message that has expired by the clock of this device costs no time", async () => {
  const timers = vi.spyOn(globalThis, "setTimeout")
  made.update({ seq: 3, open: ["m-1"], messages: [{ ...banner("m-1", 2), expires_at: "2020-01-01T00:00:00Z" }] })
  expect(timers).not.toHaveBeenCalled()
  timers.mockRestore()
})

test("nothing is reported by a component whose person has gone", async () => {
  const content = { ...slot.content, actions: [{ id: "no", label: "No" }] }
  await show({ ...slot, content } as typeof slot)
  const button = document.querySelector("button")!
  reported = []
  stopping.abort()
  button.click()
  expect(reported).toEqual([])
})

describe("kinds that a later release has", () => {
  const ribbon = message({ kind: "ribbon", expires_at: "2099-01-01T00:00:00Z" })
  const give = (interrupts: boolean) => made.update({ seq: 1, open: [ribbon.message_id], messages: [{ ...ribbon, interrupts }] })

  test.each([true, false])("one that this build does not know is reported, if it interrupts: %s", async (interrupts) => {
    give(interrupts)
    await vi.waitFor(() => expect(reported).toEqual(["failed: kind"]))
    made.look()
    expect(reported).toEqual(["failed: kind"])
  })

  test.each([true, false])("one that was added shows, if it interrupts: %s", async (interrupts) => {
    views = { ribbon: { show: (_, see) => void see() } }
    give(interrupts)
    await vi.waitFor(() => expect(reported).toEqual(["shown"]))
  })

  test("the views are asked for again: a process of another release may have answered", async () => {
    vi.useFakeTimers()
    let loads = 0
    views = { ribbon: { show: () => {} } }
    load = async () => {
      if (++loads < 3) throw new Error("404")
      return drawn(views)
    }
    give(true)
    await vi.advanceTimersByTimeAsync(7_000)
    expect(reported).toEqual(["shown"])
    vi.useRealTimers()
  })

  test("one whose place the page lacks is no failure", async () => {
    let hasPlace = false
    views = { ribbon: { hasPlace: () => hasPlace, show: (_, see) => void see() } }
    give(false)
    await new Promise((resolve) => setTimeout(resolve))
    expect(reported).toEqual([])
    hasPlace = true
    document.body.append(document.createElement("main"))
    await vi.waitFor(() => expect(reported).toEqual(["shown"]))
  })
})

test("on request the console says why an open message is not shown, once for each reason", async () => {
  vi.useFakeTimers()
  const info = vi.spyOn(console, "info").mockImplementation(() => {})
  const lines = () => info.mock.calls.splice(0).map(([line]) => line)
  const told = board({
    name: "told", signal: stopping.signal, debug: true, renderers: new Map(), track: () => {}, report: () => {},
    loadLooks: async () => drawn({ ...views, card: { hasPlace: () => false, show: () => {} } }),
  })
  const make = (id: string, content: object, changes: object = {}) => ({
    ...banner(id, 1), ...changes, content: { every: { kind: "once" }, ...content },
  }) as typeof slot
  const messages = [
    make("shown", { between: 0 }),
    make("late", {}, { expires_at: "2020-01-01T00:00:00Z" }),
    make("elsewhere", { where: ["/elsewhere"] }),
    make("again", {}, { shows: 1 }),
    make("waiting", { after: { seconds: 60 } }),
    make("feed", {}, { kind: "card", interrupts: false }),
    make("hero", {}, { kind: "slot", interrupts: false }),
    make("next", {}),
    make("calm", { between: 3_600 }),
    make("strange", {}, { kind: "ribbon" }),
  ]
  told.update({ seq: 1, open: messages.map((one) => one.message_id), messages })
  await vi.advanceTimersByTimeAsync(2_000)
  expect(lines()).toEqual([
    "sojourn: banner late is not shown: expired",
    "sojourn: banner elsewhere is not shown: where",
    "sojourn: banner again is not shown: every",
    "sojourn: banner waiting is not shown: after",
    "sojourn: card feed is not shown: place",
    "sojourn: slot hero is not shown: place",
    "sojourn: banner next is not shown: turn",
    "sojourn: banner calm is not shown: between",
    "sojourn: ribbon strange is not shown: failed",
  ])
  told.look()
  await vi.advanceTimersByTimeAsync(2_000)
  expect(lines()).toEqual([])
  told.setBetween(3_600)
  await vi.advanceTimersByTimeAsync(2_000)
  expect(lines()).toEqual(["sojourn: banner next is not shown: between"])
  info.mockRestore()
  vi.useRealTimers()
})
