// Requests to the API: a browser key, and the token of a user or an anonymous id. No cookies.

import { anonymousId } from "./storage.js"

export type TokenSource = string | (() => string | null | Promise<string | null>) | null

export interface Http {
  send(path: string, options?: RequestInit): Promise<Response>
  /** Take another token. */
  use(source: TokenSource): void
}

export function http(url: string, key: string, source: TokenSource): Http {
  let token: string | null | undefined
  const headers = async (given: HeadersInit | undefined): Promise<HeadersInit> => {
    token ??= typeof source === "function" ? await source() : source
    return {
      "X-Write-Key": key,
      ...(token ? { Authorization: `Bearer ${token}` } : { "X-Anonymous-Id": anonymousId() }),
      ...(given as Record<string, string>),
    }
  }
  const send = async (path: string, options: RequestInit = {}): Promise<Response> => {
    const go = async () =>
      fetch(url + path, { credentials: "omit", cache: "no-cache", ...options, headers: await headers(options.headers) })
    const answer = await go()
    if (answer.status !== 401 || typeof source !== "function") return answer
    // It has expired: its source may have a new one.
    token = undefined
    return go()
  }
  return {
    send,
    use(other) {
      source = other
      token = undefined
    },
  }
}

/** Seconds of Retry-After, or a value in its place. */
export const retryAfter = (answer: Response, otherwise: number): number =>
  Number(answer.headers.get("Retry-After")) || otherwise
