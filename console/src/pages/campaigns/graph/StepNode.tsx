import { Handle, type Node, type NodeProps, Position } from "@xyflow/react"
import { formatCompact, formatNumber } from "../../../format/number"
import { words } from "../../../format/words"
import { Badge } from "../../../ui/Badge"
import { toneOf } from "../../../ui/states"
import { Time } from "../../../ui/Time"
import { type DrawnNode, sorted } from "./model"
import { type GraphPlace, RefusedLink } from "./peopleLinks"

export type StepNodeType = Node<{ step: DrawnNode; place: GraphPlace | undefined; isSelected: boolean }, "step">

const MOST_REASONS = 2

/** One step; where its numbers are of a version, with them. */
export function StepNode({ data: { step, place, isSelected } }: NodeProps<StepNodeType>) {
  return (
    <div className={`step ${step.kind} ${step.change ?? ""}`} data-selected={isSelected || undefined}>
      <Handle type="target" position={Position.Top} isConnectable={false} />
      <div className="step-head">
        <strong>{step.label}</strong>
        {step.change !== null ? (
          <Badge tone={toneOf(step.change)}>{step.change}</Badge>
        ) : (
          step.kind !== step.label && <span className="soft">{words(step.kind)}</span>
        )}
      </div>
      {place !== undefined && step.change !== "added" && <Numbers step={step} place={place} />}
      <Handle type="source" position={Position.Bottom} isConnectable={false} />
    </div>
  )
}

/** A step with its numbers: came, here and since when, sent, and why the others got nothing. */
function Numbers({ step, place }: { step: DrawnNode; place: GraphPlace }) {
  const reasons = sorted(step.refused)
  return (
    <>
      <div className="step-counts">
        <Count of={step.came} name="came" />
        {step.sent > 0 && <Count of={step.sent} name="sent" className="good" />}
        {step.failed > 0 && <Count of={step.failed} name="failed" className="bad" />}
      </div>
      {step.here > 0 && (
        <div className="step-counts accent">
          <Count of={step.here} name={Object.keys(step.now).length === 1 ? Object.keys(step.now)[0]! : "here"} />
          {Object.keys(step.now).length > 1 &&
            sorted(step.now).map(([status, number]) => <Count key={status} of={number} name={status} className="soft" />)}
          {step.oldest_waiting_since !== null && (
            <span className="soft">
              oldest <Time at={step.oldest_waiting_since} />
            </span>
          )}
        </div>
      )}
      {reasons.length > 0 && (
        <div className="step-reasons">
          {reasons.slice(0, MOST_REASONS).map(([reason, times]) => (
            <RefusedLink key={reason} place={place} node={step} reason={reason}>
              {formatCompact(times)} {words(reason)}
            </RefusedLink>
          ))}
          {reasons.length > MOST_REASONS && (
            <RefusedLink place={place} node={step}>
              {reasons.length - MOST_REASONS} more
            </RefusedLink>
          )}
        </div>
      )}
    </>
  )
}

function Count({ of, name, className }: { of: number; name: string; className?: string }) {
  return (
    <span className={className} title={formatNumber(of)}>
      {formatCompact(of)} {words(name)}
    </span>
  )
}
