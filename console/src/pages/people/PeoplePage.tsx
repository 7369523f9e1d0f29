import { getRouteApi } from "@tanstack/react-router"
import { api, PAGES, type Schemas } from "../../api/client"
import { Masked, MaskNotice } from "../../ui/Data"
import { Filters } from "../../ui/Filters"
import { PersonLink } from "../../ui/links"
import { Loaded } from "../../ui/Loaded"
import { More } from "../../ui/More"
import { Page } from "../../ui/Page"
import { type Column, Table } from "../../ui/Table"
import { Time } from "../../ui/Time"

const route = getRouteApi("/people")

const COLUMNS: Column<Schemas["ListedUser"]>[] = [
  { label: "Person", cell: (user) => <PersonLink person={user} /> },
  { label: "Stage", cell: ({ stage }) => stage },
  {
    label: "Addresses",
    cell: ({ addresses }) =>
      Object.entries(addresses ?? {}).map(([channel, address]) => (
        <div key={channel}>
          <span className="soft">{channel}</span> {address ?? <Masked />}
        </div>
      )),
  },
  { label: "Known since", cell: ({ created_at }) => <Time at={created_at} /> },
  { label: "Changed", cell: ({ updated_at }) => <Time at={updated_at} /> },
]

export function PeoplePage() {
  const search = route.useSearch()
  const people = api.useInfiniteQuery(
    "get",
    "/v1/users",
    { params: { query: { ...search, limit: 50 } } },
    PAGES,
  )
  return (
    <Page title="People">
      <Filters
        search={search}
        filters={[
          { name: "id", label: "Id", placeholder: "e.g. u-4711" },
          { name: "address", label: "Address", placeholder: "e.g. lea@a.example" },
          { name: "trait", label: "Trait", placeholder: "e.g. plan" },
          { name: "value", label: "Its value", placeholder: "e.g. pro" },
          { name: "stage", label: "Stage" },
          { name: "segment", label: "Segment" },
        ]}
      />
      <Loaded query={people}>
        {({ pages }) => (
          <>
            {pages[0] && <MaskNotice of={pages[0]} />}
            <Table
              caption="People"
              columns={COLUMNS}
              rows={pages.flatMap(({ users }) => users)}
              rowKey={({ id }) => id}
              empty="No one fits. Ids and addresses are compared whole; clear a filter to see more."
            />
          </>
        )}
      </Loaded>
      <More pages={people} />
    </Page>
  )
}
