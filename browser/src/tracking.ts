// Calls of the tracking API, as analytics.js makes them.

import { whenActive } from "./dom.js"
import type { Http } from "./http.js"
import { outbox, type Outbox } from "./outbox.js"
import { anonymousId, makeId } from "./storage.js"

export type Values = Readonly<Record<string, unknown>>

export interface Call {
  type: "identify" | "track" | "page" | "group"
  event?: string
  name?: string
  groupId?: string
  traits?: Values
  /** Reports of the same id are one. */
  messageId?: string
  properties?: Values
}

export interface Tracking {
  report(call: Call): void
  flush(): Promise<void>
}

export function tracking(http: Http, who: () => string, userId: () => string | null, whenKnown: (action: () => void) => void): Tracking {
  const calls: Outbox<object> = outbox("calls", who, http, "/v1/batch", (batch) => ({ batch, sentAt: new Date() }))
  return {
    flush: calls.flush,
    report: (call) => whenActive(() => {
      const { pathname: path, search, href: url } = location
      const { title, referrer } = document
      const page = { path, search, url, title, referrer }
      const { timeZone: timezone } = Intl.DateTimeFormat().resolvedOptions()
      const made = {
        ...call,
        // As analytics.js does.
        ...(call.type === "page" && { properties: { ...page, ...call.properties } }),
        messageId: call.messageId ?? makeId(),
        timestamp: new Date(),
        anonymousId: anonymousId(),
        context: { page, locale: navigator.language, timezone, library: { name: "@sojourn/browser" } },
      }
      whenKnown(() => calls.add({ ...made, userId: userId() ?? undefined }))
    }),
  }
}
