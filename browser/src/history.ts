// The dealings of this browser with messages, over all its tabs.
//
// A write into local storage reaches other tabs a moment later. So each message has a key of its own, and the knowledge
// of two tabs about it is put together: neither undoes what was done in the other.

import { MAX_SHOWS_KEPT, type Seen } from "./rules.js"
import { listen } from "./signals.js"
import { attempt, keys, readJson, write, writeJson } from "./storage.js"

export const PREFIX = "sojourn.seen."
const MAX_MESSAGES = 200

export interface History {
  find(id: string): Seen | undefined
  note(id: string, change: Partial<Seen>): void
}

/** Read the history, and keep it until the signal. `hear` is called after each change by another tab. */
export function openHistory(signal: AbortSignal, hear: (id: string, before: Seen | undefined) => void): History {
  const known = new Map<string, Seen>()
  for (const key of keys(PREFIX)) known.set(key.slice(PREFIX.length), merge(readJson(key)))

  const stop = listen(window, "storage", (event) => {
    const { key, newValue } = event as StorageEvent
    if (!key?.startsWith(PREFIX)) return
    const id = key.slice(PREFIX.length)
    const before = known.get(id)
    const given = attempt(() => JSON.parse(newValue!) as Seen)
    if (given) {
      const both = merge(before, given)
      known.set(id, both)
      if (isMore(both, given)) writeJson(key, both)
    } else known.delete(id)
    hear(id, before)
  })
  signal.addEventListener("abort", stop)

  return {
    find: (id) => known.get(id),
    note(id, change) {
      if (!known.has(id) && known.size >= MAX_MESSAGES) forgetOldest()
      const key = PREFIX + id
      const next = merge(readJson(key), known.get(id), change)
      known.set(id, next)
      writeJson(key, next)
    },
  }

  function forgetOldest(): void {
    const last = (id: string) => known.get(id)!.shows.slice(-1)[0] ?? 0
    const [id] = [...known.keys()].sort((one, other) => last(one) - last(other))
    known.delete(id!)
    write(PREFIX + id, null)
  }
}

export const forgetHistory = (): void => keys(PREFIX).forEach((key) => write(key, null))

/** Put together what is known of a message: nothing that was done is undone, and the last knows the step. */
function merge(...parts: (Partial<Seen> | undefined)[]): Seen {
  const shows = new Set(parts.flatMap((one) => one?.shows ?? []))
  return Object.assign({}, ...parts, { shows: [...shows].sort((one, other) => one - other).slice(-MAX_SHOWS_KEPT) }) as Seen
}

const isMore = (one: Seen, other: Seen): boolean =>
  one.shows.length > (other.shows?.length ?? 0) || Object.keys(one).length > Object.keys(other).length
