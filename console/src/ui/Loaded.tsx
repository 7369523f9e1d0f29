import type { ReactNode } from "react"
import { Page } from "./Page"
import { Refusal } from "./Refusal"

interface Query<Data> {
  data: Data | undefined
  error: unknown
  refetch: () => unknown
}

/**
 * The data of a query, or that it is under way, or why it failed. Data stays while it is asked for again.
 * `title` is for a query on which the whole page depends.
 */
export function Loaded<Data>({
  query,
  title,
  children,
}: {
  query: Query<Data>
  title?: string
  children: (data: Data) => ReactNode
}) {
  if (query.data !== undefined) return <>{children(query.data)}</>
  const state =
    query.error == null ? <Skeleton /> : <Refusal error={query.error} retry={() => void query.refetch()} />
  return title === undefined ? state : <Page title={title}>{state}</Page>
}

export function Skeleton() {
  return (
    <div className="card stack" role="status" aria-label="Loading">
      {["72%", "96%", "88%", "64%"].map((width) => (
        <div key={width} className="skeleton" style={{ width }} />
      ))}
    </div>
  )
}

/** Say that there is nothing, and what would change that. */
export function Empty({ children }: { children: ReactNode }) {
  return <div className="empty prose">{children}</div>
}
