const TICK = 15_000
let ahead = 0
let present = new Date()
const readers = new Set<() => void>()

function tick(): void {
  present = new Date(Date.now() + ahead)
  for (const read of readers) read()
}
// One clock for all instants of a page.
setInterval(tick, TICK)

/** Go by the deployment's clock from here on: that of a browser may be wrong by minutes. */
export function setClock(at: string): void {
  ahead = Date.parse(at) - Date.now()
  tick()
}

/** The deployment's time, some seconds old. */
export const presentTime = (): Date => present

export function subscribeToClock(read: () => void): () => void {
  readers.add(read)
  return () => readers.delete(read)
}
