// The messages of a person, as they come and go. One tab holds the connection and tells the others.
//
// It reads a stream of events, whose beginning names all that is open; where the API has no room for a stream it polls.

import { toLocal } from "./clock.js"
import { isVisible } from "./dom.js"
import { backoff } from "./rules.js"
import { retryAfter, type Http } from "./http.js"
import { alone, channel } from "./tabs.js"
import { all, listen } from "./signals.js"
import type { Inbox, Message } from "./contract.js"

// Longer than the time between two pings.
const SILENCE_MS = 60_000
const HELLO_MS = 400

export interface Snapshot {
  seq: number
  open: readonly string[]
  messages: readonly Message[]
}

/** A tab asks for the messages, or says what they are. */
type TabMessage = { hello: true } | { state: Snapshot | false }

/** Follow the messages of a person until the signal. `name` is the same in all tabs of the same key and person. */
export function follow(http: Http, name: string, signal: AbortSignal, tell: (state: Snapshot) => void): void {
  let state: Snapshot = { seq: 0, open: [], messages: [] }
  let leading: AbortSignal | undefined
  let isKnown = false
  let hasAnswer = false
  let failures = 0
  // Open, and yet not given: they have shown as often as they may.
  let used: readonly string[] = []
  // How long the API wants pages to stay away after a stream, each another time. Seconds.
  let pause = 0

  const isLeading = () => leading && !leading.aborted

  const change = (next: Snapshot) => {
    if (signal.aborted) return
    state = next
    isKnown = true
    tell(state)
    if (isLeading()) tabs.post({ state } satisfies TabMessage)
  }

  const tabs = channel<TabMessage>(name, (message) => {
    if (signal.aborted) return
    if ("state" in message) {
      hasAnswer = true
      if (message.state && !isLeading()) change(message.state)
    } else if (isLeading()) tabs.post({ state: isKnown && state } satisfies TabMessage)
  })

  /** Take what the API says; whether a message is open that it has not given since the place that was named. */
  const take = ({ seq, open, messages = [] }: Omit<Inbox, "next_poll">): boolean => {
    const given = new Set(messages.map((one) => one.message_id))
    const all = [...state.messages.filter((one) => !given.has(one.message_id)), ...messages.map(toLocal)]
    change({ seq, open, messages: all.filter((one) => open.includes(one.message_id)) })
    // One that goes and comes back is given again.
    used = used.filter((id) => open.includes(id))
    return open.some((id) => !used.includes(id) && !state.messages.some((one) => one.message_id === id))
  }

  const poll = async (since = state.seq): Promise<number> => {
    const answer = await http.send(`/v1/client/messages?since=${since}`, { signal })
    if (!answer.ok) throw answer
    const inbox = (await answer.json()) as Inbox
    const isLacking = take(inbox)
    if (!since) used = inbox.open
    else if (isLacking) return poll(0)
    return inbox.next_poll
  }

  const hear = async (event: string, data: string) => {
    if (!["open", "message", "withdrawn"].includes(event)) return
    failures = 0
    const given = JSON.parse(data) as Message & Inbox
    const { seq, open } = state
    const others = open.filter((one) => one !== given.message_id)
    if (event === "message") take({ seq: Math.max(seq, given.seq), open: [...others, given.message_id], messages: [given] })
    else if (event === "withdrawn") take({ seq, open: others })
    // At its beginning it has nothing, and the stream gives all.
    else if (take({ ...given, seq, messages: [] }) && seq) await poll(0)
  }

  /** Read a stream to its end, or poll where there is no room for one. Returns the seconds until the next time. */
  const stream = async (signal: AbortSignal): Promise<number> => {
    const reading = new AbortController()
    let silence = 0
    const abort = () => reading.abort()
    const hush = () => {
      clearTimeout(silence)
      silence = setTimeout(abort, SILENCE_MS)
    }
    const unlisten = listen(signal, "abort", abort)
    hush()
    try {
      const answer = await http.send("/v1/client/stream", {
        headers: { Accept: "text/event-stream", "Last-Event-ID": String(state.seq) },
        signal: reading.signal,
        cache: "no-store",
      })
      if (answer.status === 503) return Math.min(await poll(), retryAfter(answer, 60))
      if (!answer.ok || !answer.body) throw answer
      const reader = answer.body.getReader()
      const decoder = new TextDecoder()
      let rest = ""
      for (;;) {
        const { done, value } = await reader.read()
        if (done) {
          // It ends before the token does.
          await http.renew()
          return pause
        }
        hush()
        rest += decoder.decode(value, { stream: true })
        const parts = rest.split(/\r?\n\r?\n/)
        rest = parts.pop()!
        for (const part of parts) {
          const { event, data, retry } = readEvent(part)
          if (retry) pause = Number(retry) / 1_000
          await hear(event, data)
        }
      }
    } finally {
      clearTimeout(silence)
      unlisten()
    }
  }

  const connect = async (turn: AbortSignal) => {
    leading = turn
    while (!turn.aborted) {
      let wait: number
      try {
        wait = await stream(turn)
        failures = 0
        // All pages lose their streams at once when a process ends.
        wait += Math.random()
      } catch (error) {
        if (turn.aborted) return
        wait = pause + backoff(++failures, Math.random())
        if (error instanceof Response) wait = retryAfter(error, wait)
      }
      await rest(wait, turn)
    }
  }

  /** Have the connection, in turn or at once; a turn that another tab has taken comes again after it. */
  const lead = async (steal?: boolean): Promise<void> => {
    await alone(name, signal, connect, steal).catch(() => {})
    if (leading && !steal && !signal.aborted) await lead()
  }

  /** Ask the tab that leads. If it sleeps it does not answer: then the one in sight leads. */
  const ask = () => {
    if (isLeading()) return
    hasAnswer = false
    tabs.post({ hello: true } satisfies TabMessage)
    setTimeout(() => {
      if (hasAnswer || isLeading() || signal.aborted) return
      if (isVisible()) void lead(true)
      else poll().catch(() => {})
    }, HELLO_MS)
  }

  const stop = all([
    () => tabs.close(),
    listen(document, "visibilitychange", () => isVisible() && ask()),
  ])
  signal.addEventListener("abort", stop)
  ask()
  void lead()
}

/** The kind and the data of an event of a stream, and milliseconds until the next. Source: the HTML standard, 9.2.6. */
export function readEvent(text: string): { event: string; data: string; retry?: string } {
  let event = "message"
  let retry: string | undefined
  const data: string[] = []
  for (const line of text.split(/\r?\n/)) {
    const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line)!
    if (name === "event") event = value!
    if (name === "data") data.push(value!)
    if (name === "retry" && /^\d+$/.test(value!)) retry = value
  }
  return { event: data.length ? event : "", data: data.join("\n"), ...(retry && { retry }) }
}

/** Wait some seconds, or until the browser is back online. */
const rest = (seconds: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer)
      stop()
      resolve()
    }
    const timer = setTimeout(finish, seconds * 1_000)
    const stop = all([listen(window, "online", finish), listen(signal, "abort", finish)])
  })
