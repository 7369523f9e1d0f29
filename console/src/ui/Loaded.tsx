import type { ReactNode } from "react"
import { Refusal } from "./Refusal"

interface Query<Data> {
  data: Data | undefined
  error: unknown
  refetch: () => unknown
}

/** What a query has found, or that it is under way, or why it failed. Found data stays while it is asked for again. */
export function Loaded<Data>({ query, children }: { query: Query<Data>; children: (data: Data) => ReactNode }) {
  if (query.data !== undefined) return <>{children(query.data)}</>
  if (query.error != null) return <Refusal error={query.error} retry={() => void query.refetch()} />
  return <Skeleton />
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

/** That there is nothing, and what would change that. */
export function Empty({ children }: { children: ReactNode }) {
  return <div className="notice soft prose">{children}</div>
}
