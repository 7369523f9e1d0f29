// What must reach the API: kept over pages and while offline, at most 100 of each kind for a day.
//
// Each item has a key of its own in local storage, so tabs do not overwrite one another. Items may be sent twice; the
// API takes each once.

import { backoff } from "./rules.js"
import { retryAfter } from "./http.js"
import { keys, makeId, readJson, write, writeJson } from "./storage.js"

export const MAX_ITEMS = 100
export const MAX_AGE_MS = 86_400_000
// Together, browsers let requests that outlive their page have 64 KB.
const MAX_KEPT_ALIVE = 60_000

interface Kept<Item> {
  /** The user who was known, for whom alone it is sent; anybody's if there was none. */
  who: string
  at: number
  item: Item
}

export interface Outbox<Item> {
  add(item: Item): void
  flush(): Promise<void>
}

export function outbox<Item>(
  name: string,
  who: () => string,
  post: (items: readonly Item[], body: (value: object) => RequestInit) => Promise<Response>,
): Outbox<Item> {
  const prefix = `sojourn.${name}.`
  let timer = 0
  let failures = 0
  let count = 0
  const sending = new Set<string>()

  const list = (now: number): [string, Item][] =>
    keys(prefix).flatMap((key) => {
      const kept = readJson<Kept<Item>>(key)
      if (!kept || now - kept.at > MAX_AGE_MS) write(key, null)
      else if ((!kept.who || kept.who === who()) && !sending.has(key)) return [[key, kept.item] as [string, Item]]
      return []
    })

  const flush = async () => {
    clearTimeout(timer)
    timer = 0
    const due = list(Date.now()).slice(0, MAX_ITEMS)
    if (!due.length) return
    due.forEach(([key]) => sending.add(key))
    let wait: number | undefined
    try {
      const answer = await post(due.map(([, item]) => item), (value) => {
        const body = JSON.stringify(value)
        return { method: "POST", body, headers: { "Content-Type": "application/json" }, keepalive: body.length < MAX_KEPT_ALIVE }
      })
      const { status } = answer
      if (status === 401 || status === 408 || status === 429 || status >= 500) wait = retryAfter(answer, backoff(++failures, Math.random()))
      else {
        failures = 0
        due.forEach(([key]) => write(key, null))
      }
    } catch {
      wait = backoff(++failures, Math.random())
    }
    due.forEach(([key]) => sending.delete(key))
    if (wait !== undefined) timer = setTimeout(() => void flush(), wait * 1_000)
    else if (list(Date.now()).length) await flush()
  }

  return {
    flush,
    add(item) {
      const at = Date.now()
      // Sorted by time, also within a millisecond.
      const key = `${prefix}${at}.${String((count += 1)).padStart(6, "0")}.${makeId().slice(0, 4)}`
      writeJson(key, { who: who(), at, item } satisfies Kept<Item>)
      keys(prefix).slice(0, -MAX_ITEMS).forEach((old) => write(old, null))
      // Together with what the same moment brings.
      if (!failures) {
        clearTimeout(timer)
        timer = setTimeout(() => void flush(), 10)
      }
    },
  }
}
