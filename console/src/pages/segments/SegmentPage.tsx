import { getRouteApi, Link } from "@tanstack/react-router"
import { lazy, Suspense } from "react"
import { api, PAGES, type Schemas } from "../../api/client"
import { loadPart } from "../../api/reach"
import { formatNumber } from "../../format/number"
import { Badge } from "../../ui/Badge"
import { DayBars } from "../../ui/Chart"
import { Filters } from "../../ui/Filters"
import { PersonLink } from "../../ui/links"
import { Loaded, Skeleton } from "../../ui/Loaded"
import { More } from "../../ui/More"
import { Figures, Page, Section } from "../../ui/Page"
import { toneOf } from "../../ui/states"
import { Tabs } from "../../ui/Tabs"
import { Table } from "../../ui/Table"
import { Time } from "../../ui/Time"

const SegmentDocument = lazy(async () => ({
  default: (await loadPart(() => import("../documents/SegmentDocument"))).SegmentDocument,
}))

const route = getRouteApi("/segments/$key")
const TABS = { members: "Members", document: "Document" } as const

export function SegmentPage() {
  const { key } = route.useParams()
  const { tab } = route.useSearch()
  const segment = api.useQuery("get", "/v1/segments/{key}", { params: { path: { key } } })
  return (
    <Loaded query={segment} title={key}>
      {(segment) => (
        <Page
          title={segment.name}
          crumb={<Link to="/segments">Segments</Link>}
          aside={<Badge tone={toneOf(segment.state)}>{segment.state}</Badge>}
        >
          <Figures
            of={[
              ["Members", formatNumber(segment.members)],
              ["Version", segment.version],
              ["On change", segment.on_change],
              ["By", segment.applied_by],
              ["In force", <Time key="from" at={segment.active_from} />],
            ]}
          />
          <Tabs
            label="Parts of the segment"
            tabs={TABS}
            current={tab === "document" ? tab : "members"}
            search={(name) => ({ tab: name === "members" ? undefined : name })}
          />
          {tab === "document" ? (
            <Suspense fallback={<Skeleton />}>
              <SegmentDocument segment={segment} />
            </Suspense>
          ) : (
            <>
              <pre className="card">{segment.where}</pre>
              <SegmentTrend segment={key} />
              <Overlap segment={segment} />
              <Members segment={key} />
            </>
          )}
        </Page>
      )}
    </Loaded>
  )
}

function SegmentTrend({ segment }: { segment: string }) {
  const trend = api.useQuery("get", "/v1/segments/{key}/trend", {
    params: { path: { key: segment }, query: { days: 30 } },
  })
  return (
    <Section title="Members in 30 days">
      <Loaded query={trend}>
        {({ days }) => (
          <div className="card">
            <DayBars
              label="Members by day"
              series={[{ name: "members", tone: "accent" }]}
              days={new Map(days.map(({ day, members }) => [day, [members]]))}
            />
            <p className="soft small">
              {formatNumber(days.reduce((sum, { joined }) => sum + joined, 0))} joined,{" "}
              {formatNumber(days.reduce((sum, { left }) => sum + left, 0))} left
            </p>
          </div>
        )}
      </Loaded>
    </Section>
  )
}

function Overlap({ segment }: { segment: Schemas["Segment"] }) {
  const search = route.useSearch()
  const segments = api.useQuery("get", "/v1/segments")
  const others = segments.data?.segments.map(({ key }) => key).filter((key) => key !== segment.key) ?? []
  const overlap = api.useQuery(
    "get",
    "/v1/segments/{key}/overlap",
    { params: { path: { key: segment.key }, query: { with: search.with ?? "" } } },
    { enabled: search.with !== undefined },
  )
  return (
    <Section title="Overlap">
      <Filters search={search} filters={[{ name: "with", label: "With", options: others, none: "choose one" }]} />
      {search.with !== undefined && (
        <Loaded query={overlap}>
          {({ both, only_first, only_second }) => (
            <Figures
              of={[
                [`Only ${segment.name}`, formatNumber(only_first)],
                ["Both", formatNumber(both)],
                [`Only ${search.with}`, formatNumber(only_second)],
              ]}
            />
          )}
        </Loaded>
      )}
    </Section>
  )
}

function Members({ segment }: { segment: string }) {
  const members = api.useInfiniteQuery(
    "get",
    "/v1/segments/{key}/members",
    { params: { path: { key: segment }, query: { limit: 50 } } },
    PAGES,
  )
  return (
    <Section title="Members">
      <Loaded query={members}>
        {({ pages }) => (
          <Table
            caption="Members"
            rows={pages.flatMap(({ members }) => members)}
            rowKey={({ id }) => id}
            empty="No one is in it."
            columns={[
              { label: "Person", cell: (member) => <PersonLink person={member} /> },
              { label: "Since", cell: ({ since }) => <Time at={since} /> },
              {
                label: "Why",
                cell: ({ user_id, id }) => (
                  <Link
                    to="/people/$id"
                    params={{ id: user_id ?? id }}
                    search={{ tab: "segments", kind: user_id === null ? "profile" : undefined }}
                  >
                    Explain
                  </Link>
                ),
              },
            ]}
          />
        )}
      </Loaded>
      <More pages={members} />
    </Section>
  )
}
