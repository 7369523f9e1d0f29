import { getRouteApi, Link } from "@tanstack/react-router"
import { api, type Schemas } from "../../api/client"
import { formatNumber } from "../../format/number"
import { Badge } from "../../ui/Badge"
import { Filters } from "../../ui/Filters"
import { CampaignLink } from "../../ui/links"
import { Loaded } from "../../ui/Loaded"
import { Page } from "../../ui/Page"
import { toneOf } from "../../ui/states"
import { type Column, Table } from "../../ui/Table"
import { Time } from "../../ui/Time"
import { CampaignActions } from "./CampaignActions"

type Campaign = Schemas["Campaign"]

const route = getRouteApi("/campaigns")
const STATES = ["draft", "scheduled", "running", "paused", "stopping", "ended", "archived"] as const

const COLUMNS: Column<Campaign>[] = [
  {
    label: "Campaign",
    cell: ({ key, name }) => (
      <>
        <CampaignLink campaign={key} label={name} />
        <div className="soft small mono">{key}</div>
      </>
    ),
  },
  { label: "State", cell: ({ state }) => <Badge tone={toneOf(state)}>{state}</Badge> },
  { label: "Version", isNumber: true, cell: ({ running_version, latest_version }) => running_version ?? latest_version },
  {
    label: "In flight",
    isNumber: true,
    cell: ({ key, active_journeys }) => (
      <Link to="/journeys" search={{ campaign: key, state: "active" }}>
        {formatNumber(active_journeys)}
      </Link>
    ),
  },
  {
    label: "Entered",
    isNumber: true,
    cell: ({ key, total_journeys }) => (
      <Link to="/journeys" search={{ campaign: key }}>
        {formatNumber(total_journeys)}
      </Link>
    ),
  },
  { label: "Stage", cell: ({ stage }) => stage ?? <span className="soft">–</span> },
  { label: "Changed", cell: ({ updated_at }) => <Time at={updated_at} /> },
  {
    label: "Actions",
    cell: (campaign) => (
      <div className="row">
        <CampaignActions campaign={campaign} />
      </div>
    ),
  },
]

export function CampaignsPage() {
  const search = route.useSearch()
  const campaigns = api.useQuery("get", "/v1/campaigns", {}, { refetchInterval: 5_000 })
  return (
    <Page title="Campaigns" actions={<Link className="button" to="/documents/new">New campaign</Link>}>
      <Filters
        search={search}
        filters={[
          { name: "find", label: "Name or key", placeholder: "e.g. cart" },
          { name: "state", label: "State", options: STATES },
        ]}
      />
      <Loaded query={campaigns}>
        {({ campaigns }) => (
          <Table
            caption="Campaigns"
            columns={COLUMNS}
            rows={campaigns.filter((campaign) => fits(campaign, search))}
            rowKey={({ key }) => key}
            empty={
              campaigns.length === 0
                ? "No campaign yet. Write one under Documents, or apply a folder with `sojourn apply`."
                : "No campaign fits the filters. Clear them to see all."
            }
          />
        )}
      </Loaded>
    </Page>
  )
}

function fits(campaign: Campaign, { find, state }: { find?: string; state?: string }): boolean {
  if (state !== undefined && campaign.state !== state) return false
  return `${campaign.key} ${campaign.name}`.toLowerCase().includes((find ?? "").toLowerCase())
}
