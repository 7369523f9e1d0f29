import { Handle, type Node, type NodeProps, Position } from "@xyflow/react"
import { formatCompact, formatNumber } from "../../../format/number"
import { words } from "../../../format/words"
import { Badge } from "../../../ui/Badge"
import { toneOf } from "../../../ui/states"
import { Time } from "../../../ui/Time"
import { type DrawnNode, END, ENTRY, nonSendsOf, sorted } from "./model"
import { type GraphPlace, HereLink, JourneysLink, MessagesLink, NonSendLink, RefusedLink } from "./peopleLinks"

export type StepNodeType = Node<{ step: DrawnNode; place: GraphPlace | undefined; isSelected: boolean }, "step">

const MOST_REASONS = 2

/** One step; where its numbers are of a version, with them. */
export function StepNode({ data: { step, place, isSelected } }: NodeProps<StepNodeType>) {
  return (
    <div className={`step ${step.kind} ${step.change ?? ""}`} data-selected={isSelected || undefined}>
      <Handle type="target" position={Position.Top} isConnectable={false} />
      <div className="step-head">
        <strong title={step.label}>{step.label}</strong>
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
  const statuses = sorted(step.now)
  const [only] = statuses.length === 1 ? statuses : []
  return (
    <>
      <div className="step-counts">
        <CameCount step={step} place={place} />
        <MessageCount step={step} place={place} state="sent" className="good" />
        <MessageCount step={step} place={place} state="failed" className="bad" />
        <MessageCount step={step} place={place} state="unknown" className="bad" />
      </div>
      {step.here > 0 && (
        <div className="step-counts accent">
          <HereCount step={step} place={place} count={step.here} name={only?.[0] ?? "here"} />
          {only === undefined &&
            statuses.map(([status, count]) => (
              <HereCount key={status} step={step} place={place} count={count} name={status} status={status} />
            ))}
          {step.oldest_waiting_since !== null && (
            <span className="soft">
              oldest <Time at={step.oldest_waiting_since} />
            </span>
          )}
        </div>
      )}
      <Reasons step={step} place={place} />
    </>
  )
}

/** Why others got nothing: refusals by reason, and messages that were granted and then cancelled. */
function Reasons({ step, place }: { step: DrawnNode; place: GraphPlace }) {
  const reasons = sorted(nonSendsOf(step))
  if (reasons.length === 0) return null
  return (
    <div className="step-reasons">
      {reasons.slice(0, MOST_REASONS).map(([reason, count]) => (
        <NonSendLink key={reason} place={place} node={step} reason={reason} name={fullCount(count, reason)}>
          {formatCompact(count)} {words(reason)}
        </NonSendLink>
      ))}
      {reasons.length > MOST_REASONS && (
        <RefusedLink
          place={place}
          node={step}
          name={reasons.slice(MOST_REASONS).map(([reason, count]) => fullCount(count, reason)).join(", ")}
        >
          {reasons.length - MOST_REASONS} more
        </RefusedLink>
      )}
    </div>
  )
}

interface Counted {
  step: DrawnNode
  place: GraphPlace
}

/** Journeys that came: those of the entry and the end are known one by one. */
function CameCount({ step, place }: Counted) {
  const text = `${formatCompact(step.came)} came`
  const name = fullCount(step.came, "came")
  if (step.id === ENTRY) {
    return (
      <JourneysLink place={place} name={name}>
        {text}
      </JourneysLink>
    )
  }
  if (step.id === END) {
    return (
      <JourneysLink place={place} outcome="completed" name={name}>
        {text}
      </JourneysLink>
    )
  }
  return <span title={name}>{text}</span>
}

function MessageCount({ step, place, state, className }: Counted & { state: "sent" | "failed" | "unknown"; className: string }) {
  if (step[state] === 0) return null
  return (
    <span className={className}>
      <MessagesLink place={place} node={step} states={[state]} name={fullCount(step[state], state)}>
        {formatCompact(step[state])} {state}
      </MessagesLink>
    </span>
  )
}

function HereCount({ step, place, count, name, status }: Counted & { count: number; name: string; status?: string }) {
  return (
    <HereLink place={place} node={step} status={status} name={fullCount(count, name)}>
      {formatCompact(count)} {words(name)}
    </HereLink>
  )
}

const fullCount = (count: number, name: string): string => `${formatNumber(count)} ${words(name)}`
