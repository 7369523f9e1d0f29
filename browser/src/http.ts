// Requests to the API: a browser key, and the token of a user or an anonymous id. No cookies.

import { anonymousId } from "./storage.js"

export type TokenSource = string | (() => string | null | Promise<string | null>) | null

export interface Http {
  send(path: string, options?: RequestInit): Promise<Response>
  /** Take another token. */
  use(source: TokenSource): void
  /** Ask for a new token, as the one before is about to end. */
  renew(): Promise<void>
}

/** A token and its source: they come and go together, also while the source is being asked. */
interface User {
  readonly source: TokenSource
  token?: string | null
}

export function http(url: string, key: string, source: TokenSource): Http {
  let user: User = { source }
  const headers = async (asker: User, given: HeadersInit | undefined): Promise<HeadersInit> => {
    const { source } = asker
    asker.token ??= typeof source === "function" ? await source() : source
    // Without a token it would be of whoever came since.
    if (!asker.token && asker !== user) throw new Error("the user has changed")
    return {
      "X-Write-Key": key,
      ...(asker.token ? { Authorization: `Bearer ${asker.token}` } : { "X-Anonymous-Id": anonymousId() }),
      ...(given as Record<string, string>),
    }
  }
  const send = async (path: string, options: RequestInit = {}): Promise<Response> => {
    const asker = user
    const go = async () =>
      fetch(url + path, { credentials: "omit", cache: "no-cache", ...options, headers: await headers(asker, options.headers) })
    const answer = await go()
    if (answer.status !== 401 || typeof asker.source !== "function" || asker !== user) return answer
    // It has expired: its source may have a new one.
    await renew()
    return go()
  }
  const renew = async () => {
    const asker = user
    if (typeof asker.source === "function") asker.token = await asker.source()
  }
  return {
    send,
    use: (source) => void (user = { source }),
    renew,
  }
}

/** Seconds of Retry-After, or a value in its place. */
export const retryAfter = (answer: Response, otherwise: number): number =>
  Number(answer.headers.get("Retry-After")) || otherwise
