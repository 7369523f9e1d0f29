import { type QueryClient, useQueryClient } from "@tanstack/react-query"
import { useCallback, useEffect, useSyncExternalStore } from "react"
import { shortTime } from "../format/time"

const RETRY_MILLISECONDS = 5_000

/** Since when the oldest of the shown answers could not be had anew; 0 where all are current. */
function notCurrentSince(queries: QueryClient): number {
  const failing = queries
    .getQueryCache()
    .getAll()
    .filter(({ state, observers }) => observers.length > 0 && state.data !== undefined && state.fetchFailureCount > 0)
  return failing.reduce((since, { state }) => Math.min(since || state.dataUpdatedAt, state.dataUpdatedAt), 0)
}

/** Say that numbers of the page are old, and ask for them again until they are not. */
export function NotCurrent() {
  const queries = useQueryClient()
  const since = useSyncExternalStore(
    useCallback((read) => queries.getQueryCache().subscribe(read), [queries]),
    () => notCurrentSince(queries),
  )
  const isOld = since > 0
  useEffect(() => {
    if (!isOld) return undefined
    const again = () => void queries.refetchQueries({ type: "active", predicate: ({ state }) => state.status === "error" })
    const timer = setInterval(again, RETRY_MILLISECONDS)
    return () => clearInterval(timer)
  }, [queries, isOld])
  return (
    <div role="status">
      {isOld && (
        <p className="notice warn not-current">
          Not current since {shortTime(new Date(since))}, trying again. What you see was true then.
        </p>
      )}
    </div>
  )
}
