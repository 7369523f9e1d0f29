import { formatCount } from "./number"

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

/** "04:14": a time of today, in the zone of the browser. */
export const shortTime = (at: Date): string => new Intl.DateTimeFormat("en-GB", { timeStyle: "short" }).format(at)

/** The days between two, both included, as the API writes them. */
export function daysBetween(first: string, last: string): string[] {
  const days = []
  for (let at = Date.parse(first); at <= Date.parse(last); at += DAY * 1000) {
    days.push(new Date(at).toISOString().slice(0, 10))
  }
  return days
}

/** The first day of the week that ends with a day. */
export const weekBefore = (day: string): string => new Date(Date.parse(day) - 6 * DAY * 1000).toISOString().slice(0, 10)

/** "2 Dec": a day of a chart. */
export function shortDay(day: string): string {
  return new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" }).format(new Date(day))
}

/** "2 Dec 2026": the UTC day of an instant. */
export function formatDay(at: string): string {
  return new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeZone: "UTC" }).format(new Date(at))
}

/** "3.2 days", "5 hours", "under an hour": a length in days. */
export function formatDays(days: number): string {
  const hours = Math.round(days * 24)
  if (hours === 0) return "under an hour"
  return hours < 48 ? formatCount(hours, "hour") : `${days.toFixed(1)} days`
}

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/

/** Whether a text is an instant as the API writes one. */
export const isInstant = (text: string): boolean => INSTANT.test(text) && !Number.isNaN(Date.parse(text))
