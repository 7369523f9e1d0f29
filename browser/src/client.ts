// One browser of one person: it tracks, and shows what Sojourn has for this person.

import { board, type Board, type Renderer, type Looks } from "./board.js"
import { follow, type Snapshot } from "./connection.js"
import type { Details, Message, Reaction, ReactionKind, Settings } from "./contract.js"
import { whenActive } from "./dom.js"
import { forgetHistory } from "./history.js"
import { http, type TokenSource } from "./http.js"
import { onNavigation } from "./navigation.js"
import { outbox } from "./outbox.js"
import { forgetDevice, subscribePush } from "./push.js"
import { inOrder } from "./rules.js"
import { listen, useFeature } from "./signals.js"
import { fillSlots } from "./slots.js"
import { anonymousId, attempt, read, renewAnonymousId, write } from "./storage.js"
import { tracking, type Values } from "./tracking.js"
import { watchTriggers } from "./triggers.js"

const USER = "sojourn.user"

export interface Options {
  /** The address of the API. */
  url: string
  /** A browser key. */
  writeKey: string
  userId?: string | null
  /** The token of the user that your server signs, or a function that fetches a new one. */
  userToken?: TokenSource
  /** Show nothing: your own components do, by `messages.subscribe`. */
  headless?: boolean
  /** Report each page, and each new address of an application of one page. */
  trackPages?: boolean
  /** Say in the console why messages are not shown. */
  debug?: boolean
}

export interface Sojourn {
  identify(userId: string, traits?: Values, options?: { userToken?: TokenSource }): void
  track(event: string, properties?: Values): void
  page(name?: string, properties?: Values): void
  group(groupId: string, traits?: Values): void
  /** Forget the user, as they log out. */
  reset(): void
  /** Say that a feature was used, for messages and page triggers that wait for it. */
  feature(name: string): void
  messages: {
    /** Hear of the open messages, now and at each change, in the order of their priority. */
    subscribe(callback: (messages: readonly Message[]) => void): () => void
    /** Show messages of kind `custom` of a placement by your own function; `*` for those of any other. */
    render(placement: string, renderer: Renderer): () => void
  }
  /** Report what became of a message that your own component shows. */
  react(messageId: string, kind: ReactionKind, details?: Details): void
  /** Subscribe to web push; false if the person or the browser does not want it. */
  subscribePush(registration: ServiceWorkerRegistration, publicKey: string): Promise<boolean>
  /** Read the preference centre, or change a part of it. */
  preferences(changes?: object): Promise<unknown>
  /** Send what has still to be sent. */
  flush(): Promise<void>
}

export function start(options: Options, loadLooks: () => Promise<Looks>): Sojourn {
  const { writeKey, headless, trackPages, debug } = options
  const api = http(options.url.replace(/\/+$/, ""), writeKey, options.userToken ?? null)
  let userId = options.userId ?? userOf(options.userToken) ?? read(USER)
  const who = () => userId ?? ""
  // Calls from before the token has said who is here.
  let early: (() => void)[] | undefined = userId || typeof options.userToken !== "function" ? undefined : []
  const whenKnown = (action: () => void) => void (early ? early.push(action) : action())
  const release = () => {
    const waiting = early ?? []
    early = undefined
    waiting.forEach((action) => action())
  }
  const calls = tracking(api, who, () => userId, whenKnown)
  const reactions = outbox<Reaction>("reactions", who, api, "/v1/client/reactions", (batch) => ({ reactions: batch, sent_at: new Date() }))
  const subscribers = new Set<(messages: readonly Message[]) => void>()
  // On this page: they are no more for its own components.
  const answered = new Set<string>()
  const renderers = new Map<string, Renderer>()
  let messages: readonly Message[] = []
  let loading: Promise<Looks> | undefined
  const getLooks = () =>
    (loading ??= loadLooks().catch((error: unknown) => {
      loading = undefined
      throw error
    }))
  let running = new AbortController()
  let shown: Board | undefined

  const react = (message_id: string, kind: ReactionKind, details?: Details) => {
    reactions.add({ message_id, kind, at: new Date().toISOString(), ...details })
    if (kind !== "dismissed" && kind !== "completed") return
    answered.add(message_id)
    tell(messages)
  }
  const track = (event: string, properties?: Values, messageId?: string) => {
    calls.report({ type: "track", event, properties, messageId })
    useFeature(event, true)
  }

  const tell = (next: readonly Message[]) => {
    messages = next.filter((one) => !answered.has(one.message_id))
    subscribers.forEach((hear) => attempt(() => hear(messages)))
  }

  const run = () => whenActive(() => {
    running.abort()
    running = new AbortController()
    const { signal } = running
    if (!headless) {
      const report = ({ message_id }: Message, kind: ReactionKind, details?: Details) => react(message_id, kind, details)
      shown = board({ name: `sojourn.${writeKey}`, signal, debug, renderers, loadLooks: getLooks, report, track })
      fillSlots(api, signal, shown.prepare, shown.fill)
    }
    const hear = (state: Snapshot) => {
      const found = [...state.messages].sort(inOrder)
      shown?.update({ ...state, messages: found })
      tell(found)
    }
    // Tabs of one person share a stream, so it begins once it is known who is here.
    whenKnown(() => {
      if (signal.aborted) return
      const name = `sojourn.${writeKey}.${userId ?? anonymousId()}`
      // A tab without a token is given less than one that has it, and must not speak for it.
      follow(api, api.isSigned() ? name : `${name}.`, signal, hear)
    })
    watchTriggers(() => configure(signal), signal, track)
  })
  const configure = async (signal: AbortSignal) => {
    const answer = await api.send("/v1/client/settings", { signal, cache: "default" })
    if (!answer.ok) throw answer
    const { triggers, between } = (await answer.json()) as Settings
    if (!signal.aborted) shown?.setBetween(between)
    return triggers
  }
  const remember = (id: string) => {
    // Those of the user before are nothing to another one.
    if (userId !== null && id !== userId) tell([])
    userId = id
    write(USER, id)
  }
  const flush = async () => {
    await Promise.all([calls.flush(), reactions.flush()])
  }

  /** Be someone without a name again. */
  const leave = () => {
    running.abort()
    api.use(null)
    userId = null
    tell([])
    run()
  }
  /** Whether another tab has logged the user out, or another one in. */
  const hasLeft = () => userId !== null && read(USER) !== userId
  const wake = () => {
    if (running.signal.aborted) (hasLeft() ? leave : run)()
  }
  const page = (name?: string, properties?: Values) => calls.report({ type: "page", name, properties })

  whenActive(() => {
    if (userId) remember(userId)
    run()
    if (early) {
      const learn = (token: string | null) => {
        const id = userOf(token)
        if (id && early && userId === null) remember(id)
      }
      api.ask().then(learn).catch(() => {}).then(release)
    }
    void flush()
    // A page with an open connection or lock could not be kept for the way back. One that sleeps would keep it from others.
    for (const name of ["pagehide", "freeze"]) {
      listen(window, name, () => {
        running.abort()
        release()
        void flush()
      })
    }
    listen(window, "pageshow", wake)
    listen(window, "resume", wake)
    listen(window, "online", () => void flush())
    listen(window, "storage", () => hasLeft() && leave())
    if (trackPages) {
      page()
      onNavigation(() => page())
    }
  })

  return {
    identify(id, traits, { userToken } = {}) {
      const isOther = id !== userId
      // Reports about another user go with their token.
      if (isOther) void flush()
      if (userToken !== undefined) api.use(userToken)
      else if (isOther && userId !== null) api.forget()
      remember(id)
      release()
      calls.report({ type: "identify", traits })
      if (isOther || userToken !== undefined) run()
    },
    track: (event, properties) => track(event, properties),
    page,
    group: (groupId, traits) => calls.report({ type: "group", groupId, traits }),
    reset() {
      release()
      // Requests have their headers as soon as they are made: these are the user's last.
      void flush()
      forgetDevice(api).catch(() => {})
      running.abort()
      write(USER, null)
      renewAnonymousId()
      forgetHistory()
      for (const name of ["fired", "quiet"]) write(`sojourn.${name}`, null)
      leave()
    },
    feature: (name) => useFeature(name),
    messages: {
      subscribe(callback) {
        subscribers.add(callback)
        attempt(() => callback(messages))
        return () => subscribers.delete(callback)
      },
      render(placement, renderer) {
        renderers.set(placement, renderer)
        shown?.look()
        return () => void renderers.delete(placement)
      },
    },
    react,
    subscribePush: (registration, publicKey) => subscribePush(api, registration, publicKey),
    async preferences(changes) {
      const options = changes && { method: "PUT", body: JSON.stringify(changes) }
      const answer = await api.send("/v1/client/preferences", options)
      if (!answer.ok) throw new Error(`the preferences were answered with ${answer.status}`)
      return answer.status === 204 ? undefined : answer.json()
    },
    flush,
  }
}

/** The user of a token. The API verifies it; here it only says who this is. */
function userOf(token: TokenSource | undefined): string | null {
  if (typeof token !== "string") return null
  return attempt(() => {
    const bytes = Uint8Array.from(atob(token.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0))
    return (JSON.parse(new TextDecoder().decode(bytes)) as { sub: string }).sub
  }) ?? null
}
