import { formatNumber } from "../format/number"
import { shortDay } from "../format/time"

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
