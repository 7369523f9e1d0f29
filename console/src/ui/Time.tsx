import { useSyncExternalStore } from "react"
import { presentTime, subscribeToClock } from "../clock"
import { exactTime, relativeTime } from "../format/time"
import { Nothing } from "./Nothing"

/** An instant as the time from now; the exact one is its title. */
export function Time({ at }: { at: string | null | undefined }) {
  const present = useSyncExternalStore(subscribeToClock, presentTime)
  if (at == null) return <Nothing />
  const instant = new Date(at)
  return (
    <time dateTime={at} title={exactTime(instant)}>
      {relativeTime(instant, present)}
    </time>
  )
}

/** An instant in full, in a zone: that of a person beside that of the reader. */
export function ExactTime({ at, zone }: { at: string; zone?: string }) {
  return (
    <time dateTime={at} title={at}>
      {exactTime(new Date(at), zone)}
    </time>
  )
}
