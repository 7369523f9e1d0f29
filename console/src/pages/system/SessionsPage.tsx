import { useQuery } from "@tanstack/react-query"
import { actingHeaders, api, http, PAGES, type Schemas } from "../../api/client"
import { sessionQuery } from "../../session/session"
import { Action } from "../../ui/Action"
import { Badge } from "../../ui/Badge"
import { Loaded } from "../../ui/Loaded"
import { More } from "../../ui/More"
import { Cut } from "../../ui/Cut"
import { Page } from "../../ui/Page"
import { type Column, Table } from "../../ui/Table"
import { Time } from "../../ui/Time"

type Listed = Schemas["ListedSession"]

const METHODS: Record<Listed["how"], string> = { key: "a key", oidc: "single sign-on" }

const columns = (own: string | undefined): Column<Listed>[] => [
  {
    label: "Who",
    cell: ({ actor, id }) => (
      <>
        <Cut text={actor.name} /> {id === own && <Badge tone="accent">this one</Badge>}
        <div className="soft small mono">{id}</div>
      </>
    ),
  },
  { label: "By", cell: ({ how }) => METHODS[how] },
  { label: "Scopes", cell: ({ scopes }) => scopes.join(", ") },
  { label: "Began", cell: ({ created_at }) => <Time at={created_at} /> },
  {
    label: "Ends",
    cell: ({ revoked_at, expires_at }) => (revoked_at === null ? <Time at={expires_at} /> : <Badge>ended</Badge>),
  },
  {
    label: "Actions",
    cell: ({ id, actor, revoked_at }) =>
      revoked_at === null && (
        <Action
          label="End"
          title={`End the session of ${actor.name}`}
          needs="admin"
          isDangerous
          effect={<p>Its pages show the sign-in from now on. The key or the account that opened it stays valid.</p>}
          run={(act) => http.DELETE("/v1/sessions/{id}", { params: { path: { id } }, headers: actingHeaders(act) })}
        />
      ),
  },
]

export function SessionsPage() {
  const { data: session } = useQuery(sessionQuery)
  const sessions = api.useInfiniteQuery("get", "/v1/sessions", { params: { query: { limit: 50 } } }, PAGES)
  return (
    <Page title="Sessions">
      <Loaded query={sessions}>
        {({ pages }) => (
          <Table
            caption="Sessions"
            columns={columns(session?.id)}
            rows={pages.flatMap(({ sessions }) => sessions)}
            rowKey={({ id }) => id}
            empty="No session was opened yet."
          />
        )}
      </Loaded>
      <More pages={sessions} />
    </Page>
  )
}
