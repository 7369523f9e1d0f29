import { Link } from "@tanstack/react-router"
import { api, type Schemas } from "../../api/client"
import { formatNumber } from "../../format/number"
import { Loaded } from "../../ui/Loaded"
import { Page } from "../../ui/Page"
import { type Column, Table } from "../../ui/Table"
import { Time } from "../../ui/Time"

const COLUMNS: Column<Schemas["SourceView"]>[] = [
  { label: "Source", cell: ({ source }) => source },
  { label: "Key", cell: ({ kinds }) => kinds.join(", ") },
  {
    label: "Today",
    isNumber: true,
    cell: ({ source, today }) => (
      <Link to="/data-plan" search={{ source }}>
        {formatNumber(today)}
      </Link>
    ),
  },
  { label: "7 days", isNumber: true, cell: ({ week }) => formatNumber(week) },
  { label: "Last", cell: ({ last_seen }) => <Time at={last_seen} /> },
  {
    label: "Rejects",
    isNumber: true,
    cell: ({ source, rejects, more_rejects }) => (
      <Link to="/rejects" search={{ source }}>
        {formatNumber(rejects)}
        {more_rejects && "+"}
      </Link>
    ),
  },
]

export function SourcesPage() {
  const sources = api.useQuery("get", "/v1/sources", {}, { refetchInterval: 10_000 })
  return (
    <Page title="Sources">
      <Loaded query={sources}>
        {({ sources }) => (
          <Table
            caption="Sources of events"
            columns={COLUMNS}
            rows={sources}
            rowKey={({ source }) => source}
            empty="Nothing reports yet. Make a key of scope ingest, and send an event with it."
          />
        )}
      </Loaded>
    </Page>
  )
}
