// Page triggers: events that the page reports by itself, since a rule of the deployment listens for them.

import type { Trigger } from "./contract.js"
import { isPlace } from "./rules.js"
import { onNavigation } from "./navigation.js"
import { all, when } from "./signals.js"
import { readJson, session, writeJson } from "./storage.js"

const FIRED = "sojourn.fired"

interface Fired {
  session: string
  names: string[]
}

export function watchTriggers(
  triggers: readonly Trigger[],
  signal: AbortSignal,
  track: (event: string, properties: Readonly<Record<string, unknown>>) => void,
): void {
  let stops: (() => void)[] = []
  const arm = () => {
    all(stops)()
    stops = triggers.filter(({ where }) => isPlace(where, location)).flatMap((trigger) => {
      const { event, properties = {}, once_per = "session" } = trigger
      const isPerSession = once_per === "session"
      const name = JSON.stringify(trigger)
      if (isPerSession && fired().includes(name)) return []
      const fire = () => {
        // Another tab may have been first.
        const names = fired()
        if (isPerSession && names.includes(name)) return
        if (isPerSession) writeJson(FIRED, { session: session(), names: [...names, name] } satisfies Fired)
        track(event, properties)
      }
      return [when(trigger, fire)]
    })
  }
  arm()
  const stop = onNavigation(arm)
  signal.addEventListener("abort", () => {
    stop()
    all(stops)()
  })
}

function fired(): string[] {
  const known = readJson<Fired>(FIRED)
  return known?.session === session() ? known.names : []
}
