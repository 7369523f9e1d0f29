import { getRouteApi } from "@tanstack/react-router"
import { actingHeaders, api, http, PAGES, type Schemas } from "../../api/client"
import { formatNumber } from "../../format/number"
import { words } from "../../format/words"
import { Action } from "../../ui/Action"
import { Badge } from "../../ui/Badge"
import { CampaignLink } from "../../ui/links"
import { Loaded } from "../../ui/Loaded"
import { More } from "../../ui/More"
import { Page } from "../../ui/Page"
import { toneOf } from "../../ui/states"
import { type Column, Table } from "../../ui/Table"
import { Time } from "../../ui/Time"

type Operation = Schemas["Operation"]

const COLUMNS: Column<Operation>[] = [
  { label: "Operation", cell: ({ kind }) => words(kind) },
  {
    label: "For",
    cell: ({ campaign }) => (campaign ? <CampaignLink campaign={campaign} /> : <span className="soft">deployment</span>),
  },
  {
    label: "State",
    cell: ({ state, last_error }) => (
      <>
        <Badge tone={last_error !== null && state === "running" ? "bad" : toneOf(state)}>{state}</Badge>
        {last_error !== null && <div className="small">{last_error}</div>}
      </>
    ),
  },
  {
    label: "Done",
    isNumber: true,
    cell: ({ done, total }) => (total === null ? formatNumber(done) : `${formatNumber(done)} of ${formatNumber(total)}`),
  },
  {
    label: "Outcome",
    cell: ({ counts }) =>
      Object.entries(counts)
        .map(([name, count]) => `${words(name)} ${formatNumber(count)}`)
        .join(", "),
  },
  { label: "By", cell: ({ requested_by }) => requested_by },
  { label: "Requested", cell: ({ created_at }) => <Time at={created_at} /> },
  { label: "Finished", cell: ({ finished_at }) => <Time at={finished_at} /> },
  {
    label: "Actions",
    cell: ({ id, kind, state, done }) =>
      (state === "pending" || state === "running") && (
        <Action
          label="Cancel"
          title={`Cancel the operation ${words(kind)}`}
          needs="operate"
          isDangerous
          effect={<p>It ends after its present page. The {formatNumber(done)} that are done stay so.</p>}
          run={(act) =>
            http.POST("/v1/operations/{id}/cancel", { params: { path: { id } }, headers: actingHeaders(act) })
          }
        />
      ),
  },
]

export function OperationsPage() {
  const { id } = getRouteApi("/operations").useSearch()
  const operations = api.useInfiniteQuery(
    "get",
    "/v1/operations",
    { params: { query: { limit: 50 } } },
    { ...PAGES, refetchInterval: 3_000 },
  )
  return (
    <Page title="Operations">
      <Loaded query={operations}>
        {({ pages }) => (
          <Table
            caption="Operations"
            columns={COLUMNS}
            rows={pages.flatMap(({ operations }) => operations).filter((one) => id === undefined || one.id === id)}
            rowKey={({ id }) => id}
            empty="No operation was requested yet. Migrations, exits, backfills and erasures are listed here."
          />
        )}
      </Loaded>
      <More pages={operations} />
    </Page>
  )
}
