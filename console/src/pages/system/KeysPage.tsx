import { actingHeaders, api, http, PAGES, type Schemas } from "../../api/client"
import { Action } from "../../ui/Action"
import { Badge } from "../../ui/Badge"
import { Loaded } from "../../ui/Loaded"
import { More } from "../../ui/More"
import { Cut } from "../../ui/Cut"
import { Page } from "../../ui/Page"
import { type Column, Table } from "../../ui/Table"
import { Time } from "../../ui/Time"
import { CreateKey } from "./CreateKey"

type Key = Schemas["Key"]

const COLUMNS: Column<Key>[] = [
  {
    label: "Key",
    cell: ({ id, name }) => (
      <>
        <Cut text={name} />
        <div className="soft small mono">{id}</div>
      </>
    ),
  },
  {
    label: "State",
    cell: ({ revoked_at, expires_at }) => {
      if (revoked_at !== null) return <Badge>revoked</Badge>
      if (expires_at === null) return <Badge tone="good">valid</Badge>
      return new Date(expires_at) > new Date() ? <Badge tone="accent">expires</Badge> : <Badge>expired</Badge>
    },
  },
  { label: "Kind", cell: ({ kind }) => kind },
  { label: "Scopes", cell: ({ scopes }) => scopes.join(", ") },
  { label: "Source", cell: ({ source }) => source },
  { label: "Used", cell: ({ last_used_at }) => <Time at={last_used_at} /> },
  { label: "Created", cell: ({ created_at }) => <Time at={created_at} /> },
  { label: "Expires", cell: ({ expires_at }) => <Time at={expires_at} /> },
  {
    label: "Actions",
    cell: ({ id, name, kind, revoked_at, last_used_at }) =>
      revoked_at === null && (
        <Action
          label="Revoke"
          title={`Revoke ${name}`}
          needs="admin"
          isDangerous
          effect={
            <p>
              Every call with it is refused from now on, and for good{kind === "browser" && ", also from pages that are open"}
              . It was used last <Time at={last_used_at} />.
            </p>
          }
          run={(act) => http.DELETE("/v1/keys/{id}", { params: { path: { id } }, headers: actingHeaders(act) })}
        />
      ),
  },
]

export function KeysPage() {
  const keys = api.useInfiniteQuery(
    "get",
    "/v1/keys",
    { params: { query: { limit: 50 } } },
    PAGES,
  )
  return (
    <Page title="Keys" actions={<CreateKey />}>
      <Loaded query={keys}>
        {({ pages }) => (
          <Table
            caption="Keys"
            columns={COLUMNS}
            rows={pages.flatMap(({ keys }) => keys)}
            rowKey={({ id }) => id}
            empty="No key was made yet; those of the settings are not listed."
          />
        )}
      </Loaded>
      <More pages={keys} />
    </Page>
  )
}
