// Locks and a channel over the tabs of one origin. Where a browser has none, each tab is for itself.

import { attempt } from "./storage.js"

/** Do something while no other tab does something of the same name. */
export const alone = async (name: string, signal: AbortSignal, action: () => Promise<void>): Promise<void> => {
  if (signal.aborted) return
  // A sandboxed page has locks, and may not use them.
  await (navigator.locks && origin !== "null" ? navigator.locks.request(name, { signal }, action) : action())
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
