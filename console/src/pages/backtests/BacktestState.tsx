import type { Schemas } from "../../api/client"
import { formatNumber } from "../../format/number"
import { Badge } from "../../ui/Badge"
import { toneOf } from "../../ui/states"

type Item = Schemas["BacktestItem"]

/** The documents of a backtest, and the ones that it is compared with. */
export function nameOf({ files, against }: Item): string {
  const simulated = files.join(", ") || "what runs"
  if (against === null) return simulated
  return `${simulated} against ${against.join() === "running" ? "what runs" : against.join(", ")}`
}

export const progressOf = ({ done, total }: Item): string | null =>
  total === null ? null : `${formatNumber(done)} of ${formatNumber(total)}`

export function BacktestState({ backtest: { state, failure } }: { backtest: Item }) {
  return (
    <>
      <Badge tone={failure !== null && state === "running" ? "warn" : toneOf(state)}>{state}</Badge>
      {failure !== null && <div className="small">{failure}</div>}
    </>
  )
}
