import { Link } from "@tanstack/react-router"
import { formatNumber } from "../../../format/number"
import { words } from "../../../format/words"
import { Badge } from "../../../ui/Badge"
import { Section } from "../../../ui/Page"
import { toneOf } from "../../../ui/states"
import { Table } from "../../../ui/Table"
import { Time } from "../../../ui/Time"
import { type DrawnNode, END, total } from "./model"
import { type GraphPlace, HereLink, RefusedLink } from "./peopleLinks"

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
          { label: "Came", isNumber: true, cell: ({ came }) => formatNumber(came) },
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
          { label: "Sent", isNumber: true, cell: ({ sent }) => formatNumber(sent) },
          {
            label: "Refused",
            isNumber: true,
            cell: (node) =>
              node.id === END || total(node.refused) === 0 ? (
                0
              ) : (
                <RefusedLink place={place} node={node}>
                  {formatNumber(total(node.refused))}
                </RefusedLink>
              ),
          },
          { label: "Put off", isNumber: true, cell: ({ deferred }) => formatNumber(total(deferred)) },
          { label: "Failed", isNumber: true, cell: ({ failed }) => formatNumber(failed) },
        ]}
      />
    </Section>
  )
}
