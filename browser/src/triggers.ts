// Page triggers: events that the page reports by itself, since a rule of the deployment listens for them.

import type { Trigger } from "./contract.js"
import { isPlace } from "./rules.js"
import { onNavigation } from "./navigation.js"
import { all, when } from "./signals.js"
import { attempt, readJson, session, writeJson } from "./storage.js"

const FIRED = "sojourn.fired"

interface Fired {
  session: string
  names: string[]
}

/** Watch the triggers of each page. `ask` returns those that rules need now; if it fails, those before are watched. */
export function watchTriggers(
  ask: () => Promise<readonly Trigger[]>,
  signal: AbortSignal,
  track: (event: string, properties: Readonly<Record<string, unknown>>, id?: string) => void,
): void {
  let triggers: readonly Trigger[] = []
  let stops: (() => void)[] = []
  let pages = 0
  const begin = async () => {
    const page = (pages += 1)
    all(stops)()
    stops = []
    const found = await ask().catch(() => triggers)
    if (signal.aborted || page !== pages) return
    triggers = found
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
        // Two tabs at once report it as one.
        track(event, properties, isPerSession ? `${session()}.${hash(name)}` : undefined)
      }
      // One that this build does not know stops no other.
      return attempt(() => [when(trigger, fire)]) ?? []
    })
  }
  void begin()
  const stop = onNavigation(() => void begin())
  signal.addEventListener("abort", () => {
    stop()
    all(stops)()
  })
}

const hash = (text: string): number => [...text].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) | 0, 0)

function fired(): string[] {
  const known = readJson<Fired>(FIRED)
  return known?.session === session() ? known.names : []
}
