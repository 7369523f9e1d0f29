import { getRouteApi, Link } from "@tanstack/react-router"
import { lazy, Suspense } from "react"
import { api, PAGES, type Schemas } from "../../api/client"
import { loadPart } from "../../api/reach"
import { formatNumber } from "../../format/number"
import { capitalize, words } from "../../format/words"
import { Badge } from "../../ui/Badge"
import { Loaded, Skeleton } from "../../ui/Loaded"
import { More } from "../../ui/More"
import { Page } from "../../ui/Page"
import { toneOf } from "../../ui/states"
import { Table } from "../../ui/Table"
import { Tabs } from "../../ui/Tabs"
import { Time } from "../../ui/Time"
import { CampaignActions } from "./CampaignActions"

const CampaignGraphTab = lazy(async () => ({
  default: (await loadPart(() => import("./graph/CampaignGraph"))).CampaignGraphTab,
}))
const CampaignDocument = lazy(async () => ({
  default: (await loadPart(() => import("../documents/CampaignDocument"))).CampaignDocument,
}))

const route = getRouteApi("/campaigns/$key")
const TABS = { graph: "Graph", versions: "Versions", document: "Document" } as const
type Tab = keyof typeof TABS

export function CampaignPage() {
  const { key } = route.useParams()
  const search = route.useSearch()
  const tab: Tab = search.tab !== undefined && Object.hasOwn(TABS, search.tab) ? (search.tab as Tab) : "graph"
  const campaign = api.useQuery("get", "/v1/campaigns/{key}", { params: { path: { key } } }, { refetchInterval: 5_000 })
  return (
    <Loaded query={campaign} title={key}>
      {(campaign) => (
        <Page
          title={campaign.name}
          crumb={
            <>
              <Link to="/campaigns">Campaigns</Link> · <span className="mono">{key}</span> · version{" "}
              {campaign.running_version ?? campaign.latest_version}
            </>
          }
          aside={<Badge tone={toneOf(campaign.state)}>{campaign.state}</Badge>}
          actions={
            <>
              <Link className="button" to="/journeys" search={{ campaign: key }}>
                {formatNumber(campaign.total_journeys)} journeys
              </Link>
              <CampaignActions campaign={campaign} />
            </>
          }
        >
          {campaign.approval !== null && (
            <p className="notice warn">
              <span>
                {capitalize(words(campaign.approval.action))} of version {campaign.approval.version} waits for another person
                than {campaign.approval.requested_by}:{" "}
                <Link to="/approvals" search={{ campaign: key, state: "waiting" }}>
                  decide
                </Link>
              </span>
            </p>
          )}
          <Tabs
            label="Parts of the campaign"
            tabs={TABS}
            current={tab}
            search={(name) => ({ tab: name === "graph" ? undefined : name })}
          />
          <Suspense fallback={<Skeleton />}>
            <CampaignTab tab={tab} campaign={campaign} />
          </Suspense>
        </Page>
      )}
    </Loaded>
  )
}

function CampaignTab({ tab, campaign }: { tab: Tab; campaign: Schemas["Campaign"] }) {
  switch (tab) {
    case "graph":
      return <CampaignGraphTab campaign={campaign} />
    case "versions":
      return <Versions campaign={campaign} />
    case "document":
      return <CampaignDocument key={campaign.key} campaign={campaign} />
  }
}

function Versions({ campaign }: { campaign: Schemas["Campaign"] }) {
  const versions = api.useInfiniteQuery(
    "get",
    "/v1/campaigns/{key}/versions",
    { params: { path: { key: campaign.key }, query: { limit: 50 } } },
    PAGES,
  )
  return (
    <>
      <Loaded query={versions}>
        {({ pages }) => (
          <Table
            caption="Versions"
            rows={pages.flatMap(({ versions }) => versions)}
            rowKey={({ version }) => version}
            empty="No version was published."
            columns={[
              {
                label: "Version",
                cell: ({ version }) => (
                  <Link to="." search={{ version: String(version) }}>
                    {version}
                  </Link>
                ),
              },
              { label: "Name", cell: ({ name }) => name },
              {
                label: "State",
                cell: ({ version }) => version === campaign.running_version && <Badge tone="good">in force</Badge>,
              },
              { label: "File", cell: ({ file }) => <code>{file}</code> },
              { label: "Published", cell: ({ published_at }) => <Time at={published_at} /> },
            ]}
          />
        )}
      </Loaded>
      <More pages={versions} />
    </>
  )
}
