// The messages on this page: which may show here and now, and one interruption at a time over all tabs.

import type { Details, Message, ReactionKind } from "./contract.js"
import type { Snapshot } from "./connection.js"
import { isVisible, onChanges, whenThere } from "./dom.js"
import { openHistory } from "./history.js"
import { onNavigation } from "./navigation.js"
import { asPast, isAnswered, isLasting, isPlace, mayShow } from "./rules.js"
import { all, listen, when, type Signal } from "./signals.js"
import type { makeStage, Stage } from "./views/stage.js"
import { attempt, readJson, session, writeJson } from "./storage.js"
import { alone } from "./tabs.js"

const QUIET = "sojourn.quiet"
// The news of the message before takes a moment to come from its tab.
const SETTLE_MS = 50
// The patience with elements that a page has still to make.
export const ANCHOR_MS = 5_000
// A message that is about to show needs no line.
const DEBUG_MS = 1_000
// Longer timers end at once.
const MAX_TIMER_MS = 2 ** 31 - 1

/** How a kind of messages is shown. */
export interface View {
  /** Whether the page has a place for a message; without this function it needs none. */
  hasPlace?(message: Message): boolean
  /** Whether one that has begun goes on at the page's next address. */
  isSequence?: boolean
  /** Show a message, a slot in its element. One that does not interrupt calls `see` once it is in sight. */
  show(stage: Stage, see: () => void, element?: Element): void
}
export type Views = Readonly<Record<string, View>>

/** The second script: how messages look. */
export interface Looks {
  views: Views
  makeStage: typeof makeStage
}

export interface CustomMessage {
  readonly message: Message
  react(kind: ReactionKind, details?: Details): void
  dismiss(): void
}
/** Shows a message of kind `custom`; what it returns is called when the message goes. */
export type Renderer = (one: CustomMessage) => (() => void) | void

export interface BoardOptions {
  /** The same in all tabs, also those of other people: they show one interruption at a time. */
  name: string
  signal: AbortSignal
  /** Say in the console why an open message is not shown. */
  debug?: boolean
  renderers: ReadonlyMap<string, Renderer>
  loadLooks(): Promise<Looks>
  report(message: Message, kind: ReactionKind, details?: Details): void
  track(event: string, properties: Readonly<Record<string, unknown>>): void
}

export interface Board {
  /** Take what is there now. Messages are in their order. */
  update(state: Snapshot): void
  look(): void
  /** Load what messages look like. */
  prepare(): Promise<void>
  /** Show a message in an element, if its rules let it. */
  fill(element: Element, message: Message): void
  setBetween(seconds: number): void
}

export function board({ name, signal, debug, renderers, loadLooks, report, track }: BoardOptions): Board {
  let state: Snapshot = { seq: 0, open: [], messages: [] }
  let between = 0
  let isTaking = false
  let timer = 0
  let explaining = 0
  let looks: Looks | undefined
  let loading: Promise<void> | undefined
  let loads = 0
  const stages = new Set<Stage>()
  const pending = new Map<string, Pending>()
  // Shown in their place since the page began: they come back when the page makes their element anew.
  const placed = new Set<string>()
  const failed = new Set<string>()

  const history = openHistory(signal, (id, before) => {
    // Someone has answered it in another tab.
    if (!isAnswered(before) && isAnswered(history.find(id))) withdraw(id)
    look()
  })
  const seen = ({ message_id }: Message) => history.find(message_id)
  const react = (message: Message, kind: ReactionKind, details?: Details) => {
    // Someone else may be here by now.
    if (signal.aborted) return
    const { message_id: id } = message
    if (kind === "shown") history.note(id, { shows: [Date.now()], session: session() })
    else if (kind !== "failed" && kind !== "answered") history.note(id, { [kind]: true })
    // A tour goes on without one of its steps.
    else if (kind === "failed" && !details?.step) failed.add(id)
    report(message, kind, details)
  }
  const fail = (message: Message, reason: string) => react(message, "failed", { reason })
  const reports = { react, track, remember: ({ message_id }: Message, step: string) => history.note(message_id, { step }) }

  const isOpen = ({ message_id, seq, expires_at }: Message) =>
    Date.parse(expires_at) > Date.now() && (seq > state.seq || state.open.includes(message_id))
  const isHere = (message: Message) => isPlace(message.content.where, location)
  // A message that this build cannot read hides no other.
  const isDue = (message: Message) =>
    attempt(() => isOpen(message) && isHere(message) && mayShow(message, seen(message), session(), Date.now()))

  /** Whether a message was shown in its place, and may show where the page makes this place anew. */
  const isBack = (message: Message) =>
    placed.has(message.message_id) && isOpen(message) && isHere(message) && !seen(message)?.dismissed

  const find = (id: string) => [...stages].filter(({ message }) => message.message_id === id)
  const withdraw = (id: string) => find(id).forEach(({ leave }) => leave())
  const start = (message: Message, show: (stage: Stage) => void, end = () => {}): void => {
    const stage = looks!.makeStage(message, seen(message)?.step, reports, () => {
      stages.delete(stage)
      // A slot may stand on a page several times.
      withdraw(message.message_id)
      end()
    })
    stages.add(stage)
    try {
      show(stage)
    } catch {
      fail(message, "error")
      stage.leave()
    }
  }

  /** Report that a message was seen in its place, once. */
  const see = (message: Message) => {
    if (!placed.has(message.message_id)) react(message, "shown")
    placed.add(message.message_id)
  }

  const findRenderer = ({ placement }: Message) => renderers.get(placement ?? "") ?? renderers.get("*")
  const custom: View = {
    hasPlace: (message) => !!findRenderer(message),
    show(stage, see) {
      const { message, react } = stage
      const stop = findRenderer(message)!({ message, react, dismiss: () => stage.dismiss() })
      if (stop) stage.onEnd(stop)
      see()
    },
  }
  const findView = ({ kind }: Message): View | undefined => (kind === "custom" ? looks && custom : looks?.views[kind])

  /** Show what has a place of its own, if the page has this place. */
  const place = (message: Message) => {
    const view = findView(message)!
    // A place that has gone may be there again.
    if (view.hasPlace?.(message) ?? true) start(message, (stage) => view.show(stage, () => see(message)), () => queueMicrotask(look))
  }

  const prepare = () =>
    (loading ??= loadLooks().then((loaded) => {
      looks = loaded
      look()
    }).catch(() => {
      // During an upgrade a process may have been asked that does not have this build: again, ever later.
      setTimeout(() => {
        loading = undefined
        look()
      }, 1_000 * 2 ** (loads += 1))
    }))

  const look = () => {
    if (signal.aborted) return
    clearTimeout(timer)
    const now = Date.now()
    stages.forEach(({ message, leave }) => {
      if (!isOpen(message) || (!isHere(message) && !findView(message)?.isSequence)) leave()
    })
    const due = state.messages.filter((one) => {
      const { message_id: id, kind } = one
      return kind !== "slot" && !failed.has(id) && !find(id).length && (isDue(one) || isBack(one))
    })
    for (const [id, { stop }] of pending) {
      if (due.some((one) => one.message_id === id)) continue
      stop()
      pending.delete(id)
    }
    if (due.length) void prepare()
    const ready = due.filter((one) => {
      const id = one.message_id
      // A kind of a later release than this script.
      if (looks && !findView(one)) return fail(one, "kind")
      if (!pending.has(id)) pending.set(id, wait(one, seen(one)?.step, goesOn(one), look, () => fail(one, "anchor")))
      return pending.get(id)!.isReady && findView(one)
    })
    ready.filter((one) => !one.interrupts).forEach(place)
    const calm = Math.min(...ready.filter((one) => one.interrupts).map(calmAt))
    const canTake = isVisible() && !isTaking
    if (canTake && calm <= now) void take()
    // Those that have expired by the clock of this device may stay for long.
    const ends = state.messages.map((one) => Date.parse(one.expires_at)).filter((end) => end > now)
    const next = Math.min(canTake && calm > now ? calm : Infinity, ...ends)
    if (next < Infinity) timer = setTimeout(look, Math.min(Math.max(next - now, 10), MAX_TIMER_MS))
    if (debug) explaining ||= setTimeout(explain, DEBUG_MS)
  }

  const told = new Map<string, string>()
  /** Say why each message that the page has is not shown, anew when the reason is another one. */
  const explain = () => {
    explaining = 0
    if (signal.aborted) return
    for (const one of state.messages) {
      const { message_id: id, kind, interrupts } = one
      const reason = find(id).length ? ""
        : !isOpen(one) ? "expired"
        : !isHere(one) ? "where"
        : !isDue(one) && !isBack(one) ? "every"
        : failed.has(id) ? "failed"
        : kind !== "slot" && !findView(one) ? "loading"
        : pending.get(id)?.isReady === false ? "after"
        : !interrupts ? "place"
        : calmAt(one) > Date.now() ? "between"
        : "turn"
      if (reason && told.get(id) !== reason) console.info(`sojourn: ${kind} ${id} is not shown: ${reason}`)
      told.set(id, reason)
    }
  }

  const findLast = (): Partial<Interruption> => readJson<Interruption>(QUIET) ?? {}

  /** Whether a message goes on that the page before had: it interrupts no one anew. */
  const goesOn = (message: Message) => !!seen(message)?.step || (isLasting(message) && findLast().id === message.message_id)

  /** When a message may follow the interruption before. */
  const calmAt = (message: Message) => {
    const { at = 0 } = findLast()
    return goesOn(message) ? 0 : asPast(at, Date.now()) + (message.content.between ?? between) * 1_000
  }

  /** Take the turn, which one tab has, and show the first message that may still show. */
  const take = async () => {
    isTaking = true
    await alone(`${name}.turn`, signal, async () => {
      // Timers of hidden pages are slow, and others wait for the turn.
      if (!isVisible()) return
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
      const next = state.messages.find((one) =>
        one.interrupts && findView(one) && pending.get(one.message_id)?.isReady && isDue(one) && calmAt(one) <= Date.now(),
      )
      if (signal.aborted || !next || !isVisible()) return
      const { message_id: id } = next
      const note = (id?: string) => writeJson(QUIET, { at: Date.now(), id } satisfies Interruption)
      note(id)
      await new Promise<void>((resolve) =>
        start(next, (stage) => {
          findView(next)!.show(stage, () => {})
          stage.react("shown")
        }, () => {
          note(signal.aborted || !isHere(next) ? id : undefined)
          resolve()
        }),
      )
      pending.delete(id)
    }).catch(() => {})
    isTaking = false
    look()
  }

  const stop = all([
    onNavigation(() => {
      // `after` counts anew on each page.
      pending.forEach((one) => one.stop())
      pending.clear()
      failed.clear()
      look()
    }),
    onChanges(() => state.messages.some((one) => !one.interrupts) && look()),
    listen(document, "visibilitychange", look),
  ])
  signal.addEventListener("abort", () => {
    stop()
    clearTimeout(timer)
    stages.forEach(({ leave }) => leave())
    pending.forEach((one) => one.stop())
  })

  return {
    look,
    prepare,
    update(next) {
      state = next
      look()
    },
    setBetween(seconds) {
      between = seconds
      look()
    },
    fill(element, message) {
      if (looks && (isDue(message) || isBack(message))) start(message, (stage) => looks!.views.slot!.show(stage, () => see(message), element))
    },
  }
}

/** The last interruption: when it began or ended, and which it was while it has not ended but with its page. */
interface Interruption {
  at: number
  id?: string
}

interface Pending {
  isReady: boolean
  stop(): void
}

/** Wait for all that a message wants before it shows: what someone does, unless it goes on, and then its element. */
function wait({ content }: Message, step: string | undefined, goesOn: boolean, done: () => void, fail: () => void): Pending {
  const { after, anchor, steps } = content
  const { seconds, scroll: percent, exit_intent, dwell, seen: element, feature } = after ?? {}
  const signals: (Signal | null | false | undefined)[] = [
    seconds ? { kind: "time_on_page", seconds } : null,
    percent ? { kind: "scroll", percent } : null,
    exit_intent && { kind: "exit_intent" },
    dwell && { kind: "dwell", ...dwell },
    element ? { kind: "element_seen", element } : null,
    feature ? { kind: "feature_used", feature } : null,
  ]
  const awaited = goesOn ? [] : (signals.filter(Boolean) as Signal[])
  const selector = anchor ?? (steps?.find(({ id }) => id === step) ?? steps?.[0])?.anchor
  const stops: (() => void)[] = []
  const pending: Pending = { isReady: false, stop: () => all(stops)() }
  let left = awaited.length
  const finish = () => {
    pending.isReady = true
    // Nothing is known of it before it is returned.
    queueMicrotask(done)
  }
  const look = () => {
    if (left > 0) return
    if (!selector) return finish()
    const timer = setTimeout(() => {
      pending.stop()
      fail()
    }, ANCHOR_MS)
    stops.push(() => clearTimeout(timer), whenThere(selector, () => {
      clearTimeout(timer)
      finish()
    }))
  }
  stops.push(...awaited.map((one) => when(one, () => {
    left -= 1
    look()
  })))
  if (!awaited.length) look()
  return pending
}
