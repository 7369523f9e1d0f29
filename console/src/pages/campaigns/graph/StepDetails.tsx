import type { ReactNode } from "react"
import { formatNumber } from "../../../format/number"
import { words } from "../../../format/words"
import { Badge } from "../../../ui/Badge"
import { Section } from "../../../ui/Page"
import { toneOf } from "../../../ui/states"
import { Time } from "../../../ui/Time"
import { type MessageState } from "../../messages/messageSearch"
import { type Change, type DrawnNode, END, ENTRY, sorted } from "./model"
import { type GraphPlace, HereLink, JourneysLink, MessagesLink, RefusedLink } from "./peopleLinks"

// The numbers of a step's messages, with the states of those that they count.
const MESSAGES: ["sent" | "under_way" | "failed" | "unknown" | "cancelled", MessageState[]][] = [
  ["sent", ["sent"]],
  ["under_way", ["reserved", "sending"]],
  ["failed", ["failed"]],
  ["unknown", ["unknown"]],
  ["cancelled", ["cancelled"]],
]

/** A node that was chosen, with all its numbers: each leads to its people. */
export function StepDetails({
  place,
  node,
  ends,
  changes,
}: {
  place: GraphPlace
  node: DrawnNode
  ends: Record<string, number>
  changes: Change[]
}) {
  const isWhole = node.id === ENTRY || node.id === END
  const came = formatNumber(node.came)
  const ended = node.id === END ? ends : node.left
  return (
    <Section title={node.label} aside={node.change && <Badge tone={toneOf(node.change)}>{node.change}</Badge>}>
      <div className="card stack">
        {changes
          .filter(({ what, name }) => what === "step" && name === node.id)
          .map(({ text }) => (
            <p key={text}>{text}</p>
          ))}
        <List title="Journeys">
          <Line name="Came">
            {isWhole ? (
              <JourneysLink place={place} outcome={node.id === END ? "completed" : undefined}>
                {came}
              </JourneysLink>
            ) : (
              came
            )}
          </Line>
          {!isWhole && (
            <Line name="Here now">
              <HereLink place={place} node={node}>
                {formatNumber(node.here)}
              </HereLink>
            </Line>
          )}
          {sorted(node.now).map(([status, number]) => (
            <Line key={status} name={words(status)}>
              <HereLink place={place} node={node} status={status}>
                {formatNumber(number)}
              </HereLink>
            </Line>
          ))}
          {node.oldest_waiting_since !== null && (
            <Line name="Oldest here">
              <Time at={node.oldest_waiting_since} />
            </Line>
          )}
          {sorted(ended).map(([outcome, number]) => (
            <Line key={outcome} name={`Ended: ${words(outcome)}`}>
              <JourneysLink place={place} step={node.id === END ? undefined : node.id} outcome={outcome}>
                {formatNumber(number)}
              </JourneysLink>
            </Line>
          ))}
        </List>
        {sorted(node.refused).length > 0 && (
          <List title={node.id === ENTRY ? "Not let in" : "Not sent"}>
            {sorted(node.refused).map(([reason, times]) => (
              <Line key={reason} name={words(reason)}>
                <RefusedLink place={place} node={node} reason={reason}>
                  {formatNumber(times)}
                </RefusedLink>
              </Line>
            ))}
          </List>
        )}
        {node.kind === "send" && (
          <List title="Messages">
            {MESSAGES.filter(([name]) => node[name] > 0 || name === "sent").map(([name, states]) => (
              <Line key={name} name={words(name)}>
                <MessagesLink place={place} node={node} states={states}>
                  {formatNumber(node[name])}
                </MessagesLink>
              </Line>
            ))}
            {sorted(node.deferred).map(([reason, times]) => (
              <Line key={reason} name={`put off: ${words(reason)}`}>
                {formatNumber(times)}
              </Line>
            ))}
            {node.held > 0 && <Line name="held">{formatNumber(node.held)}</Line>}
          </List>
        )}
      </div>
    </Section>
  )
}

function List({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div>
      <h3>{title}</h3>
      <dl className="numbers">{children}</dl>
    </div>
  )
}

function Line({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}
