// Requests to the API: a browser key, and the token of a user or an anonymous id. No cookies.

import { readClock } from "./clock.js"
import { anonymousId } from "./storage.js"

export type TokenSource = string | (() => string | null | Promise<string | null>) | null

export interface Http {
  /** Send a request; a body is JSON. */
  send(path: string, options?: RequestInit): Promise<Response>
  /** Whether there is a token, or a function that may have one. */
  isSigned(): boolean
  /** The token, once it is there. */
  ask(): Promise<string | null>
  /** Take another token. */
  use(source: TokenSource): void
  /** Drop the token, as it is of the user before: a function is asked again. */
  forget(): void
  /** Ask for a new token, as the one before is about to end. */
  renew(): Promise<void>
}

/** A token and its source: they come and go together, also while the source is being asked. */
interface User {
  readonly source: TokenSource
  token?: Promise<string | null>
}

/** Ask the source of a user, once for all who want to know. Without an answer it is asked again. */
function ask(user: User): Promise<string | null> {
  const { source } = user
  const asked = (async () => (typeof source === "function" ? source() : source))()
  const drop = () => void (user.token === asked && delete user.token)
  asked.then((token) => token || drop(), drop)
  return (user.token = asked)
}

// Before a path is asked again that has refused this key or user.
export const REST_MS = 900_000

export function http(url: string, key: string, source: TokenSource): Http {
  let user: User = { source }
  // Until when the paths rest that are refused.
  let refused: Record<string, number> = {}
  let isTold = false
  const send = async (path: string, options: RequestInit = {}): Promise<Response> => {
    const [place] = path.split("?") as [string]
    if (Date.now() < refused[place]!) throw new Error("refused")
    // Both may change before the request is made.
    const [asker, anonymous] = [user, anonymousId()]
    const go = async () => {
      const token = await (asker.token ?? ask(asker))
      // Without their token it would be of someone else.
      if (!token && asker.source && asker !== user) throw new Error("changed")
      const headers = {
        "X-Write-Key": key,
        ...(options.body && { "Content-Type": "application/json" }),
        ...(token ? { Authorization: `Bearer ${token}` } : { "X-Anonymous-Id": toBytes(anonymous) }),
        ...(options.headers as Record<string, string>),
      }
      const answer = await fetch(url + path, { credentials: "omit", cache: "no-cache", ...options, headers })
      readClock(answer)
      return answer
    }
    let answer = await go()
    if (answer.status === 401 && typeof asker.source === "function" && asker === user) {
      // It has expired: its source may have a new one.
      await renew()
      answer = await go()
    }
    const { status } = answer
    if (status > 400 && status < 405 && asker === user) {
      refused[place] = Date.now() + REST_MS
      if (isTold) return answer
      isTold = true
      console.warn(`sojourn: ${place} was answered with ${status}`, await answer.clone().text().catch(() => ""))
    }
    return answer
  }
  const renew = async () => {
    if (typeof user.source === "function") await ask(user)
  }
  const use = (source: TokenSource) => {
    user = { source }
    refused = {}
  }
  return {
    send,
    ask: () => user.token ?? ask(user),
    isSigned: () => !!user.source,
    use,
    forget: () => use(typeof user.source === "function" ? user.source : null),
    renew,
  }
}

/** Seconds of Retry-After, or a value in its place. */
export const retryAfter = (answer: Response, otherwise: number): number =>
  Number(answer.headers.get("Retry-After")) || otherwise

/** A text as the bytes of UTF-8, each a character: a header takes no others. */
const toBytes = (text: string): string => String.fromCharCode(...new TextEncoder().encode(text))
