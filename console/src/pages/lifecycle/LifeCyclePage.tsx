import { Link } from "@tanstack/react-router"
import { api, type Schemas } from "../../api/client"
import { problemOf } from "../../api/problem"
import { formatNumber, formatShare } from "../../format/number"
import { formatDay, formatDays } from "../../format/time"
import { Badge } from "../../ui/Badge"
import { Empty, Loaded } from "../../ui/Loaded"
import { Nothing } from "../../ui/Nothing"
import { Figures, Page, Section } from "../../ui/Page"
import { type Column, Table } from "../../ui/Table"
import { Flow } from "./Flow"

type Move = Schemas["StageMove"]

const columns = (names: Map<string, string>): Column<Move>[] => [
  { label: "Move", cell: ({ before, after }) => `${names.get(before) ?? before} → ${names.get(after) ?? after}` },
  {
    label: "Design",
    cell: ({ is_designed }) => <Badge tone={is_designed ? "good" : "warn"}>{is_designed ? "as designed" : "not in the design"}</Badge>,
  },
  { label: "People", isNumber: true, cell: ({ people }) => formatNumber(people) },
  { label: "Moves", isNumber: true, cell: ({ moves }) => formatNumber(moves) },
  { label: "Share of the stage", isNumber: true, cell: ({ share }) => formatShare(share) },
  {
    label: "Median stay",
    isNumber: true,
    cell: ({ median_days }) => median_days !== null && formatDays(median_days),
  },
  {
    label: "Last message before",
    cell: ({ messages }) => messages.map(({ campaign, step }) => `${campaign} · ${step}`).join(", "),
  },
]

export function LifeCyclePage() {
  const flow = api.useQuery("get", "/v1/lifecycle/flow")
  const error: unknown = flow.error
  if (problemOf(error).status === 404) {
    return (
      <Page title="Life cycle">
        <Empty>
          No life cycle was applied yet. Its document names the stages of people, and how they are meant to move:{" "}
          <Link to="/documents/$name" params={{ name: "lifecycle" }}>
            write it
          </Link>
          .
        </Empty>
      </Page>
    )
  }
  return (
    <Page title="Life cycle">
      <Loaded query={flow}>
        {(flow) => (
          <>
            <Figures
              of={[
                ["Moves as designed", flow.designed_share === null ? <Nothing key="share" /> : formatShare(flow.designed_share)],
                ["Came in", formatNumber(Object.values(flow.entered).reduce((sum, count) => sum + count, 0))],
                ["Period", `${formatDay(flow.begin)} to ${formatDay(flow.end)}`],
              ]}
            />
            {flow.moves.length === 0 ? (
              <Empty>No person has moved between stages in this time.</Empty>
            ) : (
              <Section title="Flow">
                <div className="card">
                  <Flow flow={flow} />
                </div>
              </Section>
            )}
            <Section title="Moves">
              <Table
                caption="Moves"
                columns={columns(new Map(flow.stages.map(({ key, name }) => [key, name])))}
                rows={flow.moves}
                rowKey={({ before, after }) => `${before} ${after}`}
                empty="No move."
              />
            </Section>
          </>
        )}
      </Loaded>
    </Page>
  )
}
