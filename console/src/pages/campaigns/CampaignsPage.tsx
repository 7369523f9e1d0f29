import { getRouteApi, Link } from "@tanstack/react-router"
import { api, type Schemas } from "../../api/client"
import { formatNumber, formatShare } from "../../format/number"
import { words } from "../../format/words"
import { Badge } from "../../ui/Badge"
import { Sparkline } from "../../ui/Chart"
import { Cut } from "../../ui/Cut"
import { Filters } from "../../ui/Filters"
import { CampaignLink } from "../../ui/links"
import { Loaded } from "../../ui/Loaded"
import { Nothing } from "../../ui/Nothing"
import { Page } from "../../ui/Page"
import { toneOf } from "../../ui/states"
import { type Column, Table } from "../../ui/Table"
import { nonSendSearch } from "../messages/nonSendSearch"
import { CampaignActions } from "./CampaignActions"

type Campaign = Schemas["Campaign"]
type Numbers = Schemas["CampaignNumbers"]

/** A campaign with its numbers since a day, once they are there. */
interface Row {
  campaign: Campaign
  numbers: Numbers | undefined
  since: string | undefined
}

const route = getRouteApi("/campaigns")
const STATES = ["draft", "scheduled", "running", "paused", "stopping", "ended", "archived"] as const
const DAYS = 14
const MOST_REASONS = 2

const COLUMNS: Column<Row>[] = [
  {
    label: "Campaign",
    cell: ({ campaign: { key, name, stage } }) => (
      <>
        <CampaignLink campaign={key} label={name} />
        <div className="soft small mono">
          <Cut text={key} />
        </div>
        {stage !== null && <div className="soft small">stage {stage}</div>}
      </>
    ),
  },
  {
    label: "State",
    cell: ({ campaign: { key, state, approval, running_version, latest_version } }) => (
      <div className="lines">
        <span>
          <Badge tone={toneOf(state)}>{state}</Badge>
        </span>
        <span className="soft small">version {running_version ?? latest_version}</span>
        {approval !== null && (
          <Link to="/approvals" search={{ campaign: key, state: "waiting" }} className="small">
            waits for approval
          </Link>
        )}
      </div>
    ),
  },
  {
    label: `Entered, ${DAYS} days`,
    isNumber: true,
    cell: ({ campaign: { key }, numbers, since }) =>
      numbers && (
        <Link to="/journeys" search={{ campaign: key, entered_after: since && `${since}T00:00:00Z` }} className="spark">
          <Sparkline label="By day" values={numbers.entered_by_day} />
          {formatNumber(numbers.entered_by_day.reduce((sum, number) => sum + number, 0))}
        </Link>
      ),
  },
  {
    label: "In flight",
    isNumber: true,
    cell: ({ campaign: { key, active_journeys }, numbers }) => (
      <Link to="/journeys" search={{ campaign: key, state: "active" }}>
        {formatNumber(numbers?.in_flight ?? active_journeys)}
      </Link>
    ),
  },
  {
    label: "Sent",
    isNumber: true,
    cell: ({ campaign: { key }, numbers, since }) =>
      numbers && (
        <Link to="/messages" search={{ campaign: key, from: since, state: "sent" }}>
          {formatNumber(numbers.sent)}
        </Link>
      ),
  },
  { label: "Refused", cell: (row) => <Refused row={row} /> },
  {
    label: "Reached the goal",
    isNumber: true,
    cell: ({ numbers }) =>
      numbers?.goal_rate ? (
        <span title={`${formatNumber(numbers.goals)} journeys; 95 % interval`}>
          {formatShare(numbers.goal_rate.rate)}
          <div className="soft small">
            {formatShare(numbers.goal_rate.low)} – {formatShare(numbers.goal_rate.high)}
          </div>
        </span>
      ) : null,
  },
  {
    label: "Actions",
    cell: ({ campaign }) => (
      <div className="row">
        <CampaignActions campaign={campaign} />
      </div>
    ),
  },
]

export function CampaignsPage() {
  const search = route.useSearch()
  const campaigns = api.useQuery("get", "/v1/campaigns", {}, { refetchInterval: 5_000 })
  const { data: numbers } = api.useQuery(
    "get",
    "/v1/campaign-numbers",
    { params: { query: { days: DAYS } } },
    { refetchInterval: 5_000 },
  )
  const byKey = new Map(numbers?.campaigns.map((each) => [each.key, each]))
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
            rows={campaigns
              .filter((campaign) => fits(campaign, search))
              .map((campaign) => ({ campaign, numbers: byKey.get(campaign.key), since: numbers?.since }))}
            rowKey={({ campaign }) => campaign.key}
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

/** The most frequent reasons of a campaign, each with its people. */
function Refused({ row: { campaign, numbers, since } }: { row: Row }) {
  if (numbers === undefined) return null
  const reasons = Object.entries(numbers.refused).sort(([, one], [, other]) => other - one)
  if (reasons.length === 0) return <Nothing />
  const link = (reason: string | undefined, text: string) => (
    <Link key={text} to="/non-sends" search={nonSendSearch({ campaign: campaign.key, reason, from: since })}>
      {text}
    </Link>
  )
  return (
    <div className="lines">
      {reasons
        .slice(0, MOST_REASONS)
        .map(([reason, times]) => link(reason, `${formatNumber(times)} ${words(reason)}`))}
      {reasons.length > MOST_REASONS && link(undefined, `${reasons.length - MOST_REASONS} more reasons`)}
    </div>
  )
}

function fits(campaign: Campaign, { find, state }: { find?: string; state?: string }): boolean {
  if (state !== undefined && campaign.state !== state) return false
  return `${campaign.key} ${campaign.name}`.toLowerCase().includes((find ?? "").toLowerCase())
}
