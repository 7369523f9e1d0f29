import createFetchClient from "openapi-fetch"
import createQueries from "openapi-react-query"
import { reach } from "./reach"
import type { components, paths } from "./schema"

/** The bodies of the API by their names in its document. */
export type Schemas = components["schemas"]

export const http = createFetchClient<paths>({
  baseUrl: window.location.origin,
  credentials: "same-origin",
  fetch: reach,
})

/** Call back when the API refuses the session. */
export function onSessionEnd(ended: () => void): void {
  http.use({
    onResponse: ({ response }) => {
      if (response.status === 401) ended()
    },
  })
}

/** Queries and mutations of TanStack Query by method and path, typed by the API's document. */
export const api = createQueries(http)

/** Headers of a call that acts: a repeat under the same name does nothing, and neither does one about an older revision. */
export function actingHeaders(act: string, revision?: number): Record<string, string> {
  return { "Idempotency-Key": act, ...(revision === undefined ? {} : { "If-Match": `"${revision}"` }) }
}

/** A name for an act of a person, under which it is done once. */
export const nameAct = () => crypto.randomUUID()

/** Options of a query that follows a list from page to page. */
export const PAGES = {
  pageParamName: "after",
  initialPageParam: null as string | null,
  getNextPageParam: ({ next }: { next: string | null }) => next,
}
