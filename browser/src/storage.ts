// Values that a browser keeps between pages: in local storage if it may and has room, else in memory. No cookies.

/** Do something that a browser may refuse. */
export function attempt<Value>(action: () => Value): Value | undefined {
  try {
    return action()
  } catch {
    return undefined
  }
}

type Store = Record<string, string>

const store: Store = attempt(() => localStorage as unknown as Store) ?? {}
// Values that it refuses, as it is full.
const refused: Store = {}

export const read = (key: string): string | null => refused[key] ?? store[key] ?? null

export function write(key: string, value: string | null): void {
  delete refused[key]
  if (value !== null && attempt(() => (store[key] = value)) !== undefined) return
  // The value before must not come back on the next page.
  attempt(() => delete store[key])
  if (value !== null) refused[key] = value
}

export const keys = (prefix: string): string[] =>
  [store, refused].flatMap(Object.keys).filter((key) => key.startsWith(prefix)).sort()

export const readJson = <Value>(key: string): Value | undefined => attempt(() => JSON.parse(read(key)!) as Value) ?? undefined
export const writeJson = (key: string, value: unknown): void => write(key, JSON.stringify(value))

/** A random id. Pages without TLS have no `randomUUID`. */
export const makeId = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("")

const SESSION_MS = 1_800_000
// How exactly its end is known: a write of storage tells all tabs.
const SESSION_STEP_MS = 60_000

/** The session of this browser, over all tabs: it ends after half an hour without a page or a message. */
export function session(): string {
  const now = Date.now()
  const last = readJson<{ id: string; at: number }>("sojourn.session")
  // A clock that was ahead must not make it last for ever.
  const age = last ? Math.abs(now - last.at) : SESSION_MS
  const id = age < SESSION_MS ? last!.id : makeId()
  if (age > SESSION_STEP_MS) writeJson("sojourn.session", { id, at: now })
  return id
}

// The name under which analytics.js keeps it, so that both speak of one person.
const ANONYMOUS = "ajs_anonymous_id"

export function anonymousId(): string {
  const text = read(ANONYMOUS)
  // As JSON by newer releases, plain by older ones.
  const found = (attempt(() => JSON.parse(text!) as unknown) ?? text) as string | null
  return found ? String(found) : renewAnonymousId()
}

export function renewAnonymousId(): string {
  const id = makeId()
  writeJson(ANONYMOUS, id)
  return id
}
