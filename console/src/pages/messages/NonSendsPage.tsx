import { getRouteApi, Link } from "@tanstack/react-router"
import { api, PAGES, type Schemas } from "../../api/client"
import { formatNumber } from "../../format/number"
import { shortDay } from "../../format/time"
import { capitalize, words } from "../../format/words"
import { Badge } from "../../ui/Badge"
import { DayBars, Share } from "../../ui/Chart"
import { Cut } from "../../ui/Cut"
import { Data, Masked, MaskNotice } from "../../ui/Data"
import { Filters, PERIOD, usedPeriod } from "../../ui/Filters"
import { groupingOf, groupSearch, GroupTabs } from "../../ui/Groups"
import { CampaignLink, JourneyLink, PersonLink } from "../../ui/links"
import { Loaded } from "../../ui/Loaded"
import { More } from "../../ui/More"
import { Figures, Page, Section } from "../../ui/Page"
import { type Column, Table } from "../../ui/Table"
import { Time } from "../../ui/Time"
import { nonSendFilter, nonSendSearch } from "./nonSendSearch"

type Numbers = Schemas["NonSendNumbers"]
type Grouping = (typeof GROUPINGS)[number]

const route = getRouteApi("/non-sends")
const GROUPINGS = ["reason", "campaign", "step", "rule", "day"] as const
const POLL = { refetchInterval: 10_000 }

// The names of groups without the value.
const WITHOUT: Record<Grouping, string> = {
  reason: "no reason",
  campaign: "no campaign",
  step: "entries: no journey began",
  rule: "no cap or budget",
  day: "no day",
}

const PEOPLE: Column<Schemas["NonSendView"]>[] = [
  { label: "Person", cell: ({ user_id }) => <PersonLink person={{ user_id }} /> },
  { label: "Reason", cell: ({ reason }) => <Badge tone="warn">{words(reason ?? "refused")}</Badge> },
  { label: "Campaign", cell: ({ campaign }) => <CampaignLink campaign={campaign} /> },
  { label: "Step", cell: ({ step }) => step ?? <span className="soft">entry</span> },
  { label: "Rule", cell: ({ rule }) => rule },
  { label: "When", cell: ({ at }) => <Time at={at} /> },
  {
    label: "Decided by",
    cell: ({ data }) => {
      if (data === null) return <Masked />
      if (Object.keys(data).length === 0) return null
      return (
        <details>
          <summary className="soft small">data</summary>
          <Data value={data} />
        </details>
      )
    },
  },
  { label: "Journey", cell: ({ journey_id }) => journey_id && <JourneyLink id={journey_id} /> },
]

export function NonSendsPage() {
  const search = route.useSearch()
  const filter = nonSendFilter(search)
  const by = groupingOf(GROUPINGS, search)
  const numbers = api.useQuery("get", "/v1/non-sends", { params: { query: { ...filter, by } } }, POLL)
  const people = api.useInfiniteQuery(
    "get",
    "/v1/non-sends/people",
    { params: { query: { ...filter, limit: 50 } } },
    PAGES,
  )
  return (
    <Page title="Why people got nothing">
      <Filters
        search={search}
        used={usedPeriod(numbers.data)}
        filters={[
          ...PERIOD,
          { name: "reason", label: "Reason", placeholder: "e.g. no_consent" },
          { name: "campaign", label: "Campaign", placeholder: "e.g. win-back" },
          { name: "step", label: "Step" },
          { name: "rule", label: "Rule" },
        ]}
      />
      <Loaded query={numbers}>{(numbers) => <Totals numbers={numbers} />}</Loaded>
      <ByDay />
      <div className="stack">
        <GroupTabs groupings={GROUPINGS} current={by} search={search} />
        <Loaded query={numbers}>{(numbers) => <Groups numbers={numbers} by={by} />}</Loaded>
      </div>
      <Section title="People" aside={<span className="soft small">the latest first</span>}>
        <Loaded query={people}>
          {({ pages }) => (
            <>
              {pages[0] && <MaskNotice of={pages[0]} />}
              <Table
                caption="People who got nothing"
                columns={PEOPLE}
                rows={pages.flatMap(({ people }) => people)}
                rowKey={(_, index) => index}
                empty="No one. Refusals that were deleted, with their people or by retention, are counted and not listed."
              />
            </>
          )}
        </Loaded>
        <More pages={people} />
      </Section>
    </Page>
  )
}

function Totals({ numbers: { total, is_estimate } }: { numbers: Numbers }) {
  return (
    <Figures
      of={[
        ["People", `${is_estimate ? "about " : ""}${formatNumber(total.people)}`],
        ["Refusals", formatNumber(total.times)],
      ]}
    />
  )
}

/** The course of the refusals; a bar leads to its day. */
function ByDay() {
  const search = route.useSearch()
  const days = api.useQuery(
    "get",
    "/v1/non-sends",
    { params: { query: { ...nonSendFilter(search), by: "day" } } },
    POLL,
  )
  return (
    <Loaded query={days}>
      {({ groups }) =>
        groups.length > 0 && (
          <div className="card">
            <DayBars
              label="Refusals by day"
              series={[{ name: "refusals", tone: "accent" }]}
              days={new Map(groups.map(({ value, times }) => [value, [times]]))}
              from={search.from}
              to={search.to}
              link={(day, label, bars) => (
                <Link to="/non-sends" search={groupSearch(search, "day", day)} aria-label={label}>
                  {bars}
                </Link>
              )}
            />
          </div>
        )
      }
    </Loaded>
  )
}

function Groups({ numbers: { groups, total, is_estimate }, by }: { numbers: Numbers; by: Grouping }) {
  const search = route.useSearch()
  const label = (value: string) => {
    if (value === "") return WITHOUT[by]
    if (by === "reason") return words(value)
    return by === "day" ? shortDay(value) : value
  }
  return (
    <Table
      caption={`People who got nothing, by ${by}`}
      rows={groups}
      rowKey={({ value }) => value}
      empty="No one was refused in these days. Choose earlier ones, or clear a filter."
      columns={[
        {
          label: capitalize(by),
          cell: ({ value }) => (
            <Link to="/non-sends" search={nonSendSearch(groupSearch(search, by, value))}>
              <Cut text={label(value)} />
            </Link>
          ),
        },
        {
          label: is_estimate ? "People (estimated)" : "People",
          isNumber: true,
          cell: ({ people }) => formatNumber(people),
        },
        { label: "Share", cell: ({ people }) => <Share share={people / Math.max(1, total.people)} /> },
        { label: "Refusals", isNumber: true, cell: ({ times }) => formatNumber(times) },
      ]}
    />
  )
}
