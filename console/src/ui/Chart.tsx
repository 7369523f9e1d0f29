import type { ReactNode } from "react"
import { formatNumber, formatShare } from "../format/number"
import { presentTime } from "../clock"
import { daysBetween, shortDay, weekBefore } from "../format/time"
import type { Tone } from "./Badge"

export interface Series {
  name: string
  tone: Tone
}

/**
 * Numbers by day as bars, stacked in the order of the series. `from` and `to` are the first and the last day, by default
 * those of the API: the week that ends today. `link` puts the bars of a day into a link to its people, with the label that
 * is given.
 */
export function DayBars({
  label,
  series,
  days,
  from,
  to,
  link,
}: {
  label: string
  series: Series[]
  days: Map<string, number[]>
  from?: string
  to?: string
  link?: (day: string, label: string, bars: ReactNode) => ReactNode
}) {
  const known = [...days.keys()].sort()
  if (known.length === 0) return null
  const last = to ?? latest(known.at(-1)!, presentTime().toISOString().slice(0, 10))
  const all = daysBetween(from ?? earliest(known[0]!, weekBefore(last)), last)
  const sum = (day: string) => (days.get(day) ?? []).reduce((total, value) => total + value, 0)
  const most = Math.max(1, ...all.map(sum))
  const width = `${all.length * MOST_BAR_WIDTH}px`
  return (
    // The bars are stretched, and the texts beside them are not.
    <figure className="bars">
      <span className="soft small">{formatNumber(most)}</span>
      <svg viewBox={`0 0 ${all.length} 100`} style={{ maxWidth: width }} preserveAspectRatio="none" role="group" aria-label={label}>
        {all.map((day, index) => {
          const told = series.map(({ name }, place) => `${formatNumber(days.get(day)?.[place] ?? 0)} ${name}`)
          const text = `${shortDay(day)}: ${told.join(", ")}`
          const bars = <Bars x={index} heights={days.get(day)?.map((value) => (value / most) * 100)} series={series} />
          return (
            <g key={day}>
              <title>{text}</title>
              {link && sum(day) > 0 ? link(day, text, bars) : bars}
            </g>
          )
        })}
      </svg>
      <span className="head soft small" style={{ maxWidth: width }}>
        <span>{shortDay(all[0]!)}</span>
        {all.length > 1 && <span>{shortDay(all.at(-1)!)}</span>}
      </span>
      {series.length > 1 && (
        <figcaption className="row soft small">
          {series.map(({ name, tone }) => (
            <span key={name} className="row">
              <Sample tone={tone} /> {name}
            </span>
          ))}
        </figcaption>
      )}
    </figure>
  )
}

const MOST_BAR_WIDTH = 144
const earliest = (one: string, other: string) => (one < other ? one : other)
const latest = (one: string, other: string) => (one > other ? one : other)

/** The bars of a day, from the ground up. */
function Bars({ x, heights = [], series }: { x: number; heights?: number[]; series: Series[] }) {
  let top = 100
  return (
    <g className="day">
      {/* All of the day's height can be pointed at. */}
      <rect x={x} width="1" height="100" fill="transparent" />
      {series.map(({ name, tone }, place) => {
        const height = heights[place] ?? 0
        top -= height
        return <rect key={name} className={`mark ${tone}`} x={x + 0.2} y={top} width="0.6" height={height} />
      })}
    </g>
  )
}

/** The colour of a series, beside its name. */
export function Sample({ tone }: { tone: Tone }) {
  return (
    <svg width="10" height="10" aria-hidden="true">
      <rect className={`mark ${tone}`} width="10" height="10" />
    </svg>
  )
}

/** A trend in a cell of a table. */
export function Sparkline({ label, values }: { label: string; values: number[] }) {
  const most = Math.max(1, ...values)
  const width = 6
  return (
    <svg width={values.length * width} height="18" role="img" aria-label={`${label}: ${values.join(", ")}`}>
      {values.map((value, index) => {
        const height = Math.max(1, (value / most) * 18)
        return (
          <rect key={index} x={index * width} y={18 - height} width={width - 2} height={height} fill="var(--accent)" />
        )
      })}
    </svg>
  )
}

/** A share as a number with its bar. */
export function Share({ share }: { share: number }) {
  return (
    <span className="share">
      {formatShare(share)}
      <span>
        <span className="bar" style={{ width: `${Math.max(1, share * 100)}%` }} />
      </span>
    </span>
  )
}
