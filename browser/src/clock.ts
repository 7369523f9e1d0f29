// The clock of the API, by which messages expire: that of a browser may be hours wrong.

/** Smaller differences are of the network, or of an answer that was kept. */
const MIN_SKEW_MS = 60_000
let skew = 0

/** Take the time of an answer. */
export function readClock({ headers }: Response): void {
  const found = Date.now() - Date.parse(headers.get("Date") ?? "")
  if (!isNaN(found)) skew = Math.abs(found) < MIN_SKEW_MS ? 0 : found
}

/** A message that expires by the browser's own clock. */
export const toLocal = <Expiring extends { expires_at: string }>(message: Expiring): Expiring =>
  skew ? { ...message, expires_at: new Date(Date.parse(message.expires_at) + skew).toISOString() } : message
