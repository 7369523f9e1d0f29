import { Handle, type Node, type NodeProps, Position } from "@xyflow/react"
import { formatCompact, formatNumber } from "../../../format/number"
import { words } from "../../../format/words"
import { type GraphNode, total } from "./model"

export type StepNodeType = Node<{ step: GraphNode; isSelected: boolean }, "step">

/** One step with what came, what is here, and what was not sent. */
export function StepNode({ data: { step, isSelected } }: NodeProps<StepNodeType>) {
  const refused = total(step.refused)
  return (
    <div className={`step ${step.kind}`} data-selected={isSelected || undefined}>
      <Handle type="target" position={Position.Top} isConnectable={false} />
      <div className="step-head">
        <strong>{step.label}</strong>
        {step.kind !== step.id && <span className="soft">{words(step.kind)}</span>}
      </div>
      <div className="step-counts">
        <Count of={step.came} name="came" />
        {step.here > 0 && <Count of={step.here} name="here" className="accent" />}
        {step.sent > 0 && <Count of={step.sent} name="sent" className="good" />}
        {refused > 0 && <Count of={refused} name="not sent" className="bad" />}
        {step.failed > 0 && <Count of={step.failed} name="failed" className="bad" />}
      </div>
      <Handle type="source" position={Position.Bottom} isConnectable={false} />
    </div>
  )
}

function Count({ of, name, className }: { of: number; name: string; className?: string }) {
  return (
    <span className={className} title={formatNumber(of)}>
      {formatCompact(of)} {name}
    </span>
  )
}
