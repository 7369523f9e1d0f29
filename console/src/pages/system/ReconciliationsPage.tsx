import { actingHeaders, api, http, PAGES, type Schemas } from "../../api/client"
import { formatNumber } from "../../format/number"
import { words } from "../../format/words"
import { Action } from "../../ui/Action"
import { Badge } from "../../ui/Badge"
import { Loaded } from "../../ui/Loaded"
import { More } from "../../ui/More"
import { Page } from "../../ui/Page"
import { toneOf } from "../../ui/states"
import { type Column, Table } from "../../ui/Table"
import { Time } from "../../ui/Time"

type Reconciliation = Schemas["Reconciliation"]

const COLUMNS: Column<Reconciliation>[] = [
  { label: "Requested", cell: ({ created_at }) => <Time at={created_at} /> },
  { label: "By", cell: ({ requested_by }) => requested_by },
  { label: "State", cell: ({ state }) => <Badge tone={toneOf(state)}>{state}</Badge> },
  { label: "Rows", isNumber: true, cell: ({ report }) => report && formatNumber(report.rows) },
  { label: "Workflows", isNumber: true, cell: ({ report }) => report && formatNumber(report.workflows) },
  { label: "Findings", cell: ({ report }) => report && <Findings report={report} /> },
  { label: "Finished", cell: ({ finished_at }) => <Time at={finished_at} /> },
]

function Findings({ report }: { report: Schemas["Report"] }) {
  const found = Object.entries(report.findings).filter(([, { found }]) => found > 0)
  if (found.length === 0 && Object.keys(report.for_people).length === 0) return <Badge tone="good">in agreement</Badge>
  return (
    <ul className="stack">
      {found.map(([name, { found, repaired, examples }]) => (
        <li key={name}>
          <Badge tone={repaired === found ? "warn" : "bad"}>{words(name)}</Badge> {formatNumber(found)} found,{" "}
          {formatNumber(repaired)} repaired
          <details>
            <summary className="soft small">Examples</summary>
            <span className="mono">{examples.join(", ")}</span>
          </details>
        </li>
      ))}
      {Object.entries(report.for_people).map(([what, why]) => (
        <li key={what}>
          <Badge tone="bad">needs a person</Badge> {what}: {why}
        </li>
      ))}
    </ul>
  )
}

export function ReconciliationsPage() {
  const reconciliations = api.useInfiniteQuery(
    "get",
    "/v1/reconciliations",
    { params: { query: { limit: 30 } } },
    { ...PAGES, refetchInterval: 5_000 },
  )
  return (
    <Page
      title="Reconciliations"
      actions={
        <Action
          label="Reconcile"
          title="Reconcile database and Temporal"
          needs="admin"
          effect={
            <p>
              Every active journey is compared with its workflow, and what differs is repaired where the cause is known.
              Messages are not sent again. It runs each hour by itself.
            </p>
          }
          run={(act) => http.POST("/v1/reconciliations", { headers: actingHeaders(act) })}
        />
      }
    >
      <Loaded query={reconciliations}>
        {({ pages }) => (
          <Table
            caption="Reconciliations"
            columns={COLUMNS}
            rows={pages.flatMap(({ reconciliations }) => reconciliations)}
            rowKey={({ id }) => id}
            empty="None has run yet. One runs each hour."
          />
        )}
      </Loaded>
      <More pages={reconciliations} />
    </Page>
  )
}
