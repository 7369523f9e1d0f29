import { getRouteApi, Link } from "@tanstack/react-router"
import { api, PAGES, type Schemas } from "../../api/client"
import { Data } from "../../ui/Data"
import { Filters } from "../../ui/Filters"
import { Loaded } from "../../ui/Loaded"
import { More } from "../../ui/More"
import { Cut } from "../../ui/Cut"
import { Page } from "../../ui/Page"
import { type Column, Table } from "../../ui/Table"
import { Time } from "../../ui/Time"

const route = getRouteApi("/audit-log")

const COLUMNS: Column<Schemas["AuditEntry"]>[] = [
  { label: "When", cell: ({ at }) => <Time at={at} /> },
  {
    label: "Who",
    cell: ({ actor, actor_name }) => (
      <Link to="/audit-log" search={{ actor }} title={actor}>
        <Cut text={actor_name} />
      </Link>
    ),
  },
  { label: "Did", cell: ({ action }) => <code>{action}</code> },
  {
    label: "To",
    cell: ({ target }) => (
      <Link to="/audit-log" search={{ target }}>
        <Cut text={target} />
      </Link>
    ),
  },
  {
    label: "Data",
    cell: ({ data }) =>
      Object.keys(data).length > 0 && (
        <details>
          <summary className="soft small">{Object.keys(data).join(", ")}</summary>
          <Data value={data} />
        </details>
      ),
  },
]

export function AuditLogPage() {
  const search = route.useSearch()
  const log = api.useInfiniteQuery(
    "get",
    "/v1/audit-log",
    { params: { query: { ...search, limit: 50 } } },
    PAGES,
  )
  return (
    <Page title="Audit log">
      <Filters
        search={search}
        filters={[
          { name: "target", label: "To", placeholder: "e.g. win-back" },
          { name: "actor", label: "Id of the actor", placeholder: "e.g. environment" },
        ]}
      />
      <Loaded query={log}>
        {({ pages }) => (
          <Table
            caption="Audit log"
            columns={COLUMNS}
            rows={pages.flatMap(({ entries }) => entries)}
            rowKey={({ id }) => id}
            empty="No entry fits. Clear a filter to see more."
          />
        )}
      </Loaded>
      <More pages={log} />
    </Page>
  )
}
