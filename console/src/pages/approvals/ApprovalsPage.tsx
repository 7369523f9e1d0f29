import { getRouteApi, Link } from "@tanstack/react-router"
import { api, PAGES, type Schemas } from "../../api/client"
import { formatNumber } from "../../format/number"
import { words } from "../../format/words"
import { Badge } from "../../ui/Badge"
import { Filters } from "../../ui/Filters"
import { CampaignLink } from "../../ui/links"
import { Loaded } from "../../ui/Loaded"
import { More } from "../../ui/More"
import { Page } from "../../ui/Page"
import { toneOf } from "../../ui/states"
import { type Column, Table } from "../../ui/Table"
import { Time } from "../../ui/Time"
import { ApprovalActions } from "./ApprovalActions"

const route = getRouteApi("/approvals")
const STATES = ["waiting", "approved", "rejected", "expired", "outdated"] as const

const COLUMNS: Column<Schemas["Approval"]>[] = [
  { label: "Campaign", cell: ({ campaign }) => <CampaignLink campaign={campaign} /> },
  { label: "State", cell: ({ state }) => <Badge tone={state === "waiting" ? "warn" : toneOf(state)}>{state}</Badge> },
  {
    label: "Change",
    cell: ({ action, campaign, version, parameters }) => (
      <>
        <span className="nowrap">
          {words(action)}{" "}
          <Link to="/campaigns/$key" params={{ key: campaign }} search={{ version: String(version) }}>
            version {version}
          </Link>
        </span>
        {Object.entries(parameters).map(([name, value]) => (
          <div key={name} className="soft small nowrap">
            {words(name)}: {String(value)}
          </div>
        ))}
      </>
    ),
  },
  { label: "People, at most", isNumber: true, cell: ({ people }) => formatNumber(people) },
  {
    label: "Requested",
    cell: ({ requested_by, at }) => (
      <>
        {requested_by}
        <div className="soft small">
          <Time at={at} />
        </div>
      </>
    ),
  },
  {
    label: "Decided",
    cell: ({ state, decided_by, decided_at, expires_at }) =>
      state === "waiting" ? (
        <span className="soft small">
          expires <Time at={expires_at} />
        </span>
      ) : state === "outdated" ? (
        <span className="soft small">the campaign or its entry was changed</span>
      ) : (
        <>
          {decided_by}
          <div className="soft small">
            <Time at={decided_at} />
          </div>
        </>
      ),
  },
  { label: "Actions", cell: (approval) => approval.state === "waiting" && <ApprovalActions approval={approval} /> },
]

export function ApprovalsPage() {
  const search = route.useSearch()
  const approvals = api.useInfiniteQuery(
    "get",
    "/v1/approvals",
    { params: { query: { ...search, limit: 50 } as never } },
    { ...PAGES, refetchInterval: 5_000 },
  )
  return (
    <Page title="Approvals">
      <Filters
        search={search}
        filters={[
          { name: "campaign", label: "Campaign", placeholder: "e.g. win-back" },
          { name: "state", label: "State", options: STATES },
        ]}
      />
      <Loaded query={approvals}>
        {({ pages }) => (
          <Table
            caption="Approvals"
            columns={COLUMNS}
            rows={pages.flatMap(({ approvals }) => approvals)}
            rowKey={({ id }) => id}
            empty="Nothing waits for another person. A campaign does that may reach more people than the setting `approval_above`, once it is started, resumed or applied."
          />
        )}
      </Loaded>
      <More pages={approvals} />
    </Page>
  )
}
