import { getRouteApi, Link } from "@tanstack/react-router"
import { api, PAGES, type Schemas } from "../../api/client"
import { formatNumber } from "../../format/number"
import { words } from "../../format/words"
import { Badge } from "../../ui/Badge"
import { Sparkline } from "../../ui/Chart"
import { Cut } from "../../ui/Cut"
import { Filters } from "../../ui/Filters"
import { Loaded } from "../../ui/Loaded"
import { More } from "../../ui/More"
import { Page, Section } from "../../ui/Page"
import { type Column, Table } from "../../ui/Table"
import { Time } from "../../ui/Time"

const route = getRouteApi("/data-plan")
const TYPES = ["track", "identify", "page", "screen", "group", "alias"] as const

const SEEN: Column<Schemas["SeenEventView"]>[] = [
  {
    label: "Event",
    cell: ({ type, name, is_rest }) => (
      <>
        <Cut text={is_rest ? "all further names" : (name ?? type)} /> <span className="soft">{name !== null && type}</span>
      </>
    ),
  },
  { label: "Source", cell: ({ source }) => source },
  { label: "Arrived", isNumber: true, cell: ({ count }) => formatNumber(count) },
  {
    label: "By day",
    cell: ({ days }) => <Sparkline label="By day" values={Object.keys(days).sort().map((day) => days[day] ?? 0)} />,
  },
  { label: "Last", cell: ({ last_at }) => <Time at={last_at} /> },
  {
    label: "Properties",
    cell: ({ properties }) =>
      properties.length > 0 && (
        <details>
          <summary className="soft small">{properties.length}</summary>
          <dl className="pairs">
            {properties.map(({ path, types, example }) => (
              <div key={path} style={{ display: "contents" }}>
                <dt className="mono">{path}</dt>
                <dd>
                  {Object.keys(types).join(", ")} {example !== null && <span className="soft">{String(example)}</span>}
                </dd>
              </div>
            ))}
          </dl>
        </details>
      ),
  },
]

const VIOLATIONS: Column<Schemas["ViolationView"]>[] = [
  { label: "Departure", cell: ({ message }) => message },
  { label: "Kind", cell: ({ kind }) => <Badge tone="warn">{words(kind)}</Badge> },
  { label: "Event", cell: ({ type, name }) => name ?? type },
  { label: "Source", cell: ({ source }) => source },
  { label: "Times", isNumber: true, cell: ({ count }) => formatNumber(count) },
  { label: "Last", cell: ({ last_at }) => <Time at={last_at} /> },
]

export function DataPlanPage() {
  const search = route.useSearch()
  const { source, name } = search
  const seen = api.useInfiniteQuery(
    "get",
    "/v1/schema",
    { params: { query: { ...search, limit: 50 } as never } },
    PAGES,
  )
  const violations = api.useQuery("get", "/v1/schema/violations", { params: { query: { source, name, limit: 100 } } })
  return (
    <Page title="Data plan" actions={<Link className="button" to="/documents/$name" params={{ name: "events" }}>Edit plan</Link>}>
      <Filters
        search={search}
        filters={[
          { name: "source", label: "Source" },
          { name: "type", label: "Type", options: TYPES },
          { name: "name", label: "Event", placeholder: "e.g. Signed Up" },
        ]}
      />
      <Section title="Departures from the plan">
        <Loaded query={violations}>
          {({ violations }) => (
            <Table
              caption="Departures from the plan"
              columns={VIOLATIONS}
              rows={violations}
              rowKey={(_, index) => index}
              empty="Every event that arrived is as the plan has it."
            />
          )}
        </Loaded>
      </Section>
      <Section title="Seen">
        <Loaded query={seen}>
          {({ pages }) => (
            <Table
              caption="Events that have arrived"
              columns={SEEN}
              rows={pages.flatMap(({ events }) => events)}
              rowKey={(_, index) => index}
              empty="No such event has arrived. Clear a filter, or send one with the write key."
            />
          )}
        </Loaded>
        <More pages={seen} />
      </Section>
    </Page>
  )
}
