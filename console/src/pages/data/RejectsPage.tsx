import { getRouteApi } from "@tanstack/react-router"
import { api, PAGES, type Schemas } from "../../api/client"
import { words } from "../../format/words"
import { Badge } from "../../ui/Badge"
import { Masked, MaskNotice } from "../../ui/Data"
import { Filters } from "../../ui/Filters"
import { PersonLink } from "../../ui/links"
import { Loaded } from "../../ui/Loaded"
import { More } from "../../ui/More"
import { Page } from "../../ui/Page"
import { type Column, Table } from "../../ui/Table"
import { Time } from "../../ui/Time"

const route = getRouteApi("/rejects")

const COLUMNS: Column<Schemas["RejectView"]>[] = [
  { label: "Arrived", cell: ({ received_at }) => <Time at={received_at} /> },
  { label: "Source", cell: ({ source }) => source },
  {
    label: "Outcome",
    cell: ({ outcome }) => <Badge tone={outcome === "refused" ? "bad" : "warn"}>{words(outcome)}</Badge>,
  },
  { label: "Why", cell: ({ error, part }) => (
      <>
        {part !== null && `${part}: `}
        {error ?? <Masked />}
      </>
    ) },
  { label: "Person", cell: ({ user_id, anonymous_id }) => <PersonLink person={{ user_id, anonymous_id }} /> },
  {
    label: "Call",
    cell: ({ body }) =>
      body === null ? (
        <Masked />
      ) : (
        <details>
          <summary className="soft small">Show</summary>
          <pre>{body}</pre>
        </details>
      ),
  },
]

export function RejectsPage() {
  const search = route.useSearch()
  const rejects = api.useInfiniteQuery(
    "get",
    "/v1/rejects",
    { params: { query: { ...search, limit: 50 } as never } },
    PAGES,
  )
  return (
    <Page title="Rejects">
      <Filters
        search={search}
        filters={[
          { name: "source", label: "Source" },
          { name: "user_id", label: "User" },
          { name: "outcome", label: "Outcome", options: ["refused", "left_out"] },
        ]}
      />
      <Loaded query={rejects}>
        {({ pages }) => (
          <>
            {pages[0] && <MaskNotice of={pages[0]} />}
            <Table
              caption="Rejects"
              columns={COLUMNS}
              rows={pages.flatMap(({ rejects }) => rejects)}
              rowKey={({ id }) => id}
              empty="Nothing was rejected: every call that arrived could be recorded whole."
            />
          </>
        )}
      </Loaded>
      <More pages={rejects} />
    </Page>
  )
}
