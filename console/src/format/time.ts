const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const UNITS: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ["year", 365 * DAY],
  ["month", 30 * DAY],
  ["day", DAY],
  ["hour", HOUR],
  ["minute", MINUTE],
]
const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" })

/** "3 hr. ago", "in 2 days"; "now" within half a minute. */
export function relativeTime(at: Date, now: Date): string {
  const seconds = Math.round((at.getTime() - now.getTime()) / 1000)
  const unit = UNITS.find(([, size]) => Math.abs(seconds) >= size)
  if (unit === undefined) return Math.abs(seconds) < 30 ? "now" : RELATIVE.format(seconds, "second")
  return RELATIVE.format(Math.trunc(seconds / unit[1]), unit[0])
}

/** "2 Dec 2026, 04:14:26 CET", in the zone of the browser or another one. */
export function exactTime(at: Date, timeZone?: string): string {
  const parts = { dateStyle: "medium", timeStyle: "medium", timeZone } as const
  const zone = new Intl.DateTimeFormat("en-GB", { timeZone, timeZoneName: "short" })
    .formatToParts(at)
    .find((part) => part.type === "timeZoneName")
  return `${new Intl.DateTimeFormat("en-GB", parts).format(at)} ${zone?.value ?? ""}`.trim()
}

/** The days between two, both included, as the API writes them. */
export function daysBetween(first: string, last: string): string[] {
  const days = []
  for (let at = Date.parse(first); at <= Date.parse(last); at += DAY * 1000) {
    days.push(new Date(at).toISOString().slice(0, 10))
  }
  return days
}

/** "2 Dec": a day of a chart. */
export function shortDay(day: string): string {
  return new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" }).format(new Date(day))
}
