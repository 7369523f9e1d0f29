// Locks and a channel over the tabs of one origin. Where a browser has none, each tab is for itself.

import { listen } from "./signals.js"
import { attempt } from "./storage.js"

/**
 * Do something while no other tab does something of the same name, until the signal that it is given. `steal` takes the
 * turn from a tab that sleeps.
 */
export const alone = async (
  name: string,
  signal: AbortSignal,
  action: (turn: AbortSignal) => Promise<void>,
  steal?: boolean,
): Promise<void> => {
  if (signal.aborted) return
  const turn = new AbortController()
  const end = () => turn.abort()
  const stop = listen(signal, "abort", end)
  const act = () => action(turn.signal)
  try {
    // A sandboxed page has locks, and may not use them.
    await (navigator.locks && origin !== "null" ? navigator.locks.request(name, steal ? { steal } : { signal }, act) : act())
  } finally {
    stop()
    end()
  }
}

export interface Channel {
  post(value: unknown): void
  close(): void
}

export function channel<Value>(name: string, hear: (value: Value) => void): Channel {
  const made = attempt(() => new BroadcastChannel(name))
  if (made) made.onmessage = (event) => hear(event.data as Value)
  return { post: (value) => made?.postMessage(value), close: () => made?.close() }
}
