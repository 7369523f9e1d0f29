// Reports that must reach the API: kept over pages and while offline, at most 100 of each kind for a day.
//
// Each item has a key of its own in local storage, so tabs do not overwrite one another. Items may be sent twice; the
// API takes each once.

import { backoff } from "./rules.js"
import { retryAfter, type Http } from "./http.js"
import { keys, makeId, readJson, write, writeJson } from "./storage.js"

export const MAX_ITEMS = 100
export const MAX_AGE_MS = 86_400_000
// Bytes of the items of a request. The API takes 64 KB.
export const MAX_BYTES = 50_000
// Bytes of all requests on their way that may outlive their page. Browsers refuse more than 64 KiB.
const MAX_KEPT_ALIVE = 60_000

interface Kept<Item> {
  /** The user who was known: it is sent for this user alone. For any, if there was none. */
  who: string
  at: number
  item: Item
}

export interface Outbox<Item> {
  add(item: Item): void
  flush(): Promise<void>
}

const measure = (text: string): number => new Blob([text]).size

let keptAlive = 0

/** Post a body, also while the page is being left if browsers allow that for so many bytes. */
async function post(http: Http, path: string, body: string): Promise<Response> {
  const bytes = measure(body)
  const keepalive = keptAlive + bytes <= MAX_KEPT_ALIVE
  if (keepalive) keptAlive += bytes
  try {
    return await http.send(path, { method: "POST", body, keepalive })
  } finally {
    if (keepalive) keptAlive -= bytes
  }
}

/** Open the outbox of a kind of items, which `wrap` puts into a body for a path of the API. */
export function outbox<Item>(
  name: string,
  who: () => string,
  http: Http,
  path: string,
  wrap: (items: readonly Item[]) => object,
): Outbox<Item> {
  const prefix = `sojourn.${name}.`
  let timer = 0
  let failures = 0
  let count = 0
  let most = MAX_ITEMS
  const sending = new Set<string>()

  const list = (now: number): [string, Item][] =>
    keys(prefix).flatMap((key) => {
      const kept = readJson<Kept<Item>>(key)
      if (!kept || now - kept.at > MAX_AGE_MS) write(key, null)
      else if ((!kept.who || kept.who === who()) && !sending.has(key)) return [[key, kept.item] as [string, Item]]
      return []
    })

  /** The items of the next request. */
  const choose = (): [string, Item][] => {
    const found = list(Date.now()).slice(0, most)
    let bytes = 0
    const end = found.findIndex(([, item], place) => (bytes += measure(JSON.stringify(item)) + 1) > MAX_BYTES && place > 0)
    return end < 0 ? found : found.slice(0, end)
  }

  const flush = async (): Promise<void> => {
    clearTimeout(timer)
    timer = 0
    const due = choose()
    if (!due.length) {
      most = MAX_ITEMS
      return
    }
    due.forEach(([key]) => sending.add(key))
    let wait: number | undefined
    try {
      const answer = await post(http, path, JSON.stringify(wrap(due.map(([, item]) => item))))
      const { status } = answer
      const isTooLarge = status === 413
      if (status === 401 || status === 408 || status === 429 || status >= 500) wait = retryAfter(answer, backoff(++failures, Math.random()))
      else if (isTooLarge && due.length > 1) most = due.length >> 1
      else {
        if (isTooLarge) console.warn(`sojourn: dropped one of ${name}, which is too large`)
        failures = 0
        due.forEach(([key]) => write(key, null))
      }
    } catch {
      wait = backoff(++failures, Math.random())
    }
    due.forEach(([key]) => sending.delete(key))
    if (wait === undefined) return flush()
    timer = setTimeout(() => void flush(), wait * 1_000)
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
