import type { ReactNode } from "react"
import { formatNumber } from "../format/number"
import { daysBetween, shortDay } from "../format/time"
import type { Tone } from "./Badge"

export interface DayValue {
  day: string
  value: number
}

const WIDTH = 640
const HEIGHT = 120

/** The course of a number by day: one line, its least and most, first and last day. */
export function Trend({ label, days }: { label: string; days: DayValue[] }) {
  const values = days.map(({ value }) => value)
  const least = Math.min(...values)
  const most = Math.max(...values)
  const range = most - least || 1
  const x = (index: number) => (days.length > 1 ? (index / (days.length - 1)) * WIDTH : WIDTH / 2)
  const y = (value: number) => HEIGHT - 20 - ((value - least) / range) * (HEIGHT - 40)
  const points = days.map(({ value }, index) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`)
  const text = `${label}: from ${formatNumber(values[0] ?? 0)} to ${formatNumber(values.at(-1) ?? 0)}`
  return (
    <svg className="chart" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={text}>
      <line x1="0" x2={WIDTH} y1={HEIGHT - 18} y2={HEIGHT - 18} stroke="var(--line)" />
      <polyline points={points.join(" ")} fill="none" stroke="var(--accent)" strokeWidth="1.5" />
      {days.map(({ day, value }, index) => (
        <circle key={day} cx={x(index)} cy={y(value)} r="3" fill="var(--accent)">
          <title>{`${shortDay(day)}: ${formatNumber(value)}`}</title>
        </circle>
      ))}
      <text x="0" y="10">
        {formatNumber(most)}
      </text>
      {days[0] && (
        <text x="0" y={HEIGHT - 4}>
          {shortDay(days[0].day)}
        </text>
      )}
      <text x={WIDTH} y={HEIGHT - 4} textAnchor="end">
        {days.length > 1 ? shortDay(days.at(-1)!.day) : ""}
      </text>
    </svg>
  )
}

export interface Series {
  name: string
  tone: Tone
}

/**
 * Numbers by day as bars, stacked in the order of the series. `link` puts the bars of a day into a link to its people,
 * with the label that is given.
 */
export function DayBars({
  label,
  series,
  days,
  link,
}: {
  label: string
  series: Series[]
  days: Map<string, number[]>
  link?: (day: string, label: string, bars: ReactNode) => ReactNode
}) {
  const known = [...days.keys()].sort()
  if (known.length === 0) return null
  const all = daysBetween(known[0]!, known.at(-1)!)
  const sum = (day: string) => (days.get(day) ?? []).reduce((total, value) => total + value, 0)
  const most = Math.max(1, ...all.map(sum))
  return (
    // The bars are stretched, and the texts beside them are not.
    <figure className="bars" style={{ maxWidth: `${all.length * MOST_BAR_WIDTH}px` }}>
      <span className="soft small">{formatNumber(most)}</span>
      <svg viewBox={`0 0 ${all.length} 100`} preserveAspectRatio="none" role="group" aria-label={label}>
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
      <span className="head soft small">
        <span>{shortDay(all[0]!)}</span>
        {all.length > 1 && <span>{shortDay(all.at(-1)!)}</span>}
      </span>
      {series.length > 1 && (
        <figcaption className="row soft small">
          {series.map(({ name, tone }) => (
            <span key={name} className="row">
              <svg width="10" height="10" aria-hidden="true">
                <rect className={`mark ${tone}`} width="10" height="10" />
              </svg>
              {name}
            </span>
          ))}
        </figcaption>
      )}
    </figure>
  )
}

const MOST_BAR_WIDTH = 72

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
        return <rect key={name} className={`mark ${tone}`} x={x + 0.1} y={top} width="0.8" height={height} />
      })}
    </g>
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

/** A share as a bar with its number beside it. */
export function Share({ of, share }: { of: string; share: number }) {
  return (
    <span className="row" title={of}>
      <span className="bar" style={{ width: `${Math.max(1, share * 80)}px` }} />
      {of}
    </span>
  )
}
