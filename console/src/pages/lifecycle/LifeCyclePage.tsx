import { api, type Schemas } from "../../api/client"
import { formatNumber, formatShare } from "../../format/number"
import { Badge } from "../../ui/Badge"
import { Empty, Loaded } from "../../ui/Loaded"
import { Figures, Page, Section } from "../../ui/Page"
import { type Column, Table } from "../../ui/Table"
import { Time } from "../../ui/Time"
import { Flow } from "./Flow"

type Move = Schemas["StageMove"]

const COLUMNS: Column<Move>[] = [
  { label: "Move", cell: ({ before, after }) => `${before} → ${after}` },
  {
    label: "Design",
    cell: ({ is_designed }) => <Badge tone={is_designed ? "good" : "warn"}>{is_designed ? "designed" : "not drawn"}</Badge>,
  },
  { label: "People", isNumber: true, cell: ({ people }) => formatNumber(people) },
  { label: "Moves", isNumber: true, cell: ({ moves }) => formatNumber(moves) },
  { label: "Of the stage", isNumber: true, cell: ({ share }) => formatShare(share) },
  {
    label: "Median stay",
    isNumber: true,
    cell: ({ median_days }) => (median_days === null ? "–" : `${median_days.toFixed(1)} d`),
  },
  {
    label: "Last message before",
    cell: ({ messages }) => messages.map(({ campaign, step }) => `${campaign} · ${step}`).join(", ") || "–",
  },
]

export function LifeCyclePage() {
  const flow = api.useQuery("get", "/v1/lifecycle/flow")
  return (
    <Page title="Life cycle">
      <Loaded query={flow}>
        {(flow) => (
          <>
            <Figures
              of={[
                ["Moves as designed", flow.designed_share === null ? "–" : formatShare(flow.designed_share)],
                ["Came in", formatNumber(Object.values(flow.entered).reduce((sum, count) => sum + count, 0))],
                ["From", <Time key="from" at={flow.begin} />],
                ["To", <Time key="to" at={flow.end} />],
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
                columns={COLUMNS}
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
