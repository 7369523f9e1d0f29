import { useSyncExternalStore } from "react"
import { exactTime, relativeTime } from "../format/time"

const TICK = 15_000
let now = new Date()
const readers = new Set<() => void>()
// One clock for all instants of a page.
setInterval(() => {
  now = new Date()
  for (const read of readers) read()
}, TICK)

function subscribe(read: () => void): () => void {
  readers.add(read)
  return () => readers.delete(read)
}

/** An instant as the time from now; the exact one is its title. */
export function Time({ at }: { at: string | null | undefined }) {
  const present = useSyncExternalStore(subscribe, () => now)
  if (at == null) return <span className="soft">–</span>
  const instant = new Date(at)
  return (
    <time dateTime={at} title={exactTime(instant)}>
      {relativeTime(instant, present)}
    </time>
  )
}

/** An instant in full, in a zone: that of a person beside that of the reader. */
export function ExactTime({ at, zone }: { at: string; zone?: string }) {
  return <time dateTime={at}>{exactTime(new Date(at), zone)}</time>
}
