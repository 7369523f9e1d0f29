import { useEffect, useReducer } from "react"

/** An event as the stream tells of it. */
export interface LiveEvent {
  key: number
  at: string
  user_id: string | null
  anonymous_id: string | null
  event: string | null
  source: string
  result: { what: string; campaign: string | null; reason: string | null }[]
}

interface State {
  events: LiveEvent[]
  leftOut: number
  isMasked: boolean
  status: "connecting" | "open" | "ended"
}

type Change =
  | { kind: "began" | "interrupted" | "ended" }
  | { kind: "came"; event: Omit<LiveEvent, "key"> }
  | { kind: "looked"; leftOut: number; isMasked: boolean }

/** The latest ones stay on the page. */
const KEPT = 200
const BEGINNING: State = { events: [], leftOut: 0, isMasked: false, status: "connecting" }

function follow(state: State, change: Change): State {
  switch (change.kind) {
    case "began":
      return BEGINNING
    case "interrupted":
      return { ...state, status: "connecting" }
    case "ended":
      return { ...state, status: "ended" }
    case "came": {
      const key = (state.events[0]?.key ?? 0) + 1
      return { ...state, events: [{ ...change.event, key }, ...state.events].slice(0, KEPT) }
    }
    case "looked":
      return { ...state, status: "open", leftOut: state.leftOut + change.leftOut, isMasked: change.isMasked }
  }
}

/** Follow live events, the newest first. The browser goes on after an interruption; a refusal ends it. */
export function useLiveEvents(filter: { user?: string; event?: string }, isPaused: boolean): State {
  const [state, change] = useReducer(follow, BEGINNING)
  const { user, event } = filter
  useEffect(() => change({ kind: "began" }), [user, event])
  useEffect(() => {
    if (isPaused) return
    const query = new URLSearchParams({ ...(user && { user }), ...(event && { event }) })
    const stream = new EventSource(`/v1/live-events?${query.toString()}`)
    const read = (message: MessageEvent<string>): unknown => JSON.parse(message.data)
    stream.addEventListener("event", (message: MessageEvent<string>) => {
      change({ kind: "came", event: read(message) as Omit<LiveEvent, "key"> })
    })
    stream.addEventListener("looked", (message: MessageEvent<string>) => {
      const { left_out, masked } = read(message) as { left_out: number; masked: boolean }
      change({ kind: "looked", leftOut: left_out, isMasked: masked })
    })
    stream.addEventListener("error", () => {
      change({ kind: stream.readyState === EventSource.CLOSED ? "ended" : "interrupted" })
    })
    return () => stream.close()
  }, [user, event, isPaused])
  return state
}
