import { Link } from "@tanstack/react-router"
import { formatNumber } from "../../../format/number"
import { words } from "../../../format/words"
import { Badge } from "../../../ui/Badge"
import { Nothing } from "../../../ui/Nothing"
import { Section } from "../../../ui/Page"
import { toneOf } from "../../../ui/states"
import { Table } from "../../../ui/Table"
import { Time } from "../../../ui/Time"
import { type DrawnNode, END, ENTRY, total } from "./model"
import { type GraphPlace, HereLink, JourneysLink, MessagesLink, RefusedLink } from "./peopleLinks"

/** The nodes of the graph as a table. */
export function Steps({ place, nodes }: { place: GraphPlace; nodes: DrawnNode[] }) {
  return (
    <Section title="Steps">
      <Table
        caption="Steps"
        rows={nodes}
        rowKey={({ id }) => id}
        empty="The version has no step."
        columns={[
          {
            label: "Step",
            cell: ({ id, label, depth, change }) => (
              <span className="row" style={{ paddingLeft: `${depth * 16}px` }}>
                <Link to="." search={(before: object) => ({ ...before, step: id })}>
                  {label}
                </Link>
                {change !== null && <Badge tone={toneOf(change)}>{change}</Badge>}
              </span>
            ),
          },
          { label: "Kind", cell: ({ kind }) => words(kind) },
          { label: "Came", isNumber: true, cell: (node) => <Came place={place} node={node} /> },
          {
            label: "Here",
            isNumber: true,
            cell: (node) =>
              node.here === 0 ? (
                0
              ) : (
                <HereLink place={place} node={node}>
                  {formatNumber(node.here)}
                </HereLink>
              ),
          },
          { label: "Oldest here", cell: ({ oldest_waiting_since }) => <Time at={oldest_waiting_since} /> },
          { label: "Sent", isNumber: true, cell: (node) => <Messages place={place} node={node} state="sent" /> },
          {
            label: "Refused",
            isNumber: true,
            cell: (node) => {
              const refused = total(node.refused)
              if (refused === 0) return sends(node) || node.id === ENTRY ? 0 : null
              return (
                <RefusedLink place={place} node={node}>
                  {formatNumber(refused)}
                </RefusedLink>
              )
            },
          },
          {
            label: "Put off",
            isNumber: true,
            cell: (node) => (sends(node) ? formatNumber(total(node.deferred)) : null),
          },
          { label: "Cancelled", isNumber: true, cell: (node) => <Messages place={place} node={node} state="cancelled" /> },
          { label: "Failed", isNumber: true, cell: (node) => <Messages place={place} node={node} state="failed" /> },
        ]}
      />
    </Section>
  )
}

const sends = ({ kind }: DrawnNode): boolean => kind === "send"

/** Journeys that came: those of the entry and the end are known one by one. */
function Came({ place, node }: { place: GraphPlace; node: DrawnNode }) {
  const came = formatNumber(node.came)
  if (node.id === ENTRY) return <JourneysLink place={place}>{came}</JourneysLink>
  if (node.id === END) {
    return (
      <JourneysLink place={place} outcome="completed">
        {came}
      </JourneysLink>
    )
  }
  return came
}

function Messages({ place, node, state }: { place: GraphPlace; node: DrawnNode; state: "sent" | "cancelled" | "failed" }) {
  if (!sends(node)) return <Nothing />
  if (node[state] === 0) return 0
  return (
    <MessagesLink place={place} node={node} states={[state]}>
      {formatNumber(node[state])}
    </MessagesLink>
  )
}
