import createFetchClient from "openapi-fetch"
import createQueries from "openapi-react-query"
import type { components, paths } from "./schema"

/** The bodies of the API by their names in its document. */
export type Schemas = components["schemas"]

export const http = createFetchClient<paths>({ baseUrl: window.location.origin, credentials: "same-origin" })

/** Queries and mutations of TanStack Query by method and path, typed by the API's document. */
export const api = createQueries(http)

/** Headers of a call that acts: a repeat of the same one does nothing, and neither does one about an older revision. */
export function actingHeaders(revision?: number): Record<string, string> {
  return { "Idempotency-Key": crypto.randomUUID(), ...(revision === undefined ? {} : { "If-Match": `"${revision}"` }) }
}

/** Options of a query that follows a list from page to page. */
export const PAGES = {
  pageParamName: "after",
  initialPageParam: null as string | null,
  getNextPageParam: ({ next }: { next: string | null }) => next,
}
