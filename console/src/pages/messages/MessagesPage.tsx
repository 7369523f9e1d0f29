import { getRouteApi, Link } from "@tanstack/react-router"
import type { ReactNode } from "react"
import { api, type Schemas } from "../../api/client"
import { formatNumber } from "../../format/number"
import { shortDay } from "../../format/time"
import { capitalize, words } from "../../format/words"
import { DayBars, type Series } from "../../ui/Chart"
import { Cut } from "../../ui/Cut"
import { Filters, PERIOD, usedPeriod } from "../../ui/Filters"
import { groupingOf, groupSearch, GroupTabs } from "../../ui/Groups"
import { Loaded } from "../../ui/Loaded"
import { Page } from "../../ui/Page"
import { Table } from "../../ui/Table"
import { MessageList } from "./MessageList"
import { messageFilter } from "./messageSearch"
import { nonSendSearch } from "./nonSendSearch"
import { toAddress } from "./withoutValue"

type Group = Schemas["MessageGroup"]
type Grouping = (typeof GROUPINGS)[number]

const route = getRouteApi("/messages")
const GROUPINGS = ["channel", "provider", "campaign", "step", "day"] as const
const POLL = { refetchInterval: 10_000 }

// Those that most messages come to first.
const STATES: Series[] = [
  { name: "sent", tone: "good" },
  { name: "sending", tone: "accent" },
  { name: "reserved", tone: "accent" },
  { name: "cancelled", tone: "plain" },
  { name: "unknown", tone: "warn" },
  { name: "failed", tone: "bad" },
]

export function MessagesPage() {
  const search = route.useSearch()
  const by = groupingOf(GROUPINGS, search)
  const filter = messageFilter(search)
  const { from, to, campaign } = filter
  const counts = api.useQuery("get", "/v1/message-counts", { params: { query: { ...filter, by } } }, POLL)
  const days = api.useQuery("get", "/v1/message-counts", { params: { query: { ...filter, by: "day" } } }, POLL)
  return (
    <Page
      title="Messages"
      actions={
        <Link className="button" to="/non-sends" search={nonSendSearch({ from, to, campaign })}>
          Why people got nothing
        </Link>
      }
    >
      <Filters
        search={search}
        used={usedPeriod(counts.data)}
        filters={[
          ...PERIOD,
          { name: "campaign", label: "Campaign", placeholder: "e.g. win-back" },
          { name: "step", label: "Step" },
          { name: "state", label: "State", options: STATES.map(({ name }) => name) },
          { name: "channel", label: "Channel", placeholder: "e.g. email" },
          { name: "provider", label: "Provider" },
        ]}
      />
      <Loaded query={days}>
        {({ groups }) =>
          groups.length > 0 && (
            <div className="card">
              <DayBars
                label="Messages by day"
                from={from}
                to={to}
                series={statesOf(groups)}
                days={new Map(groups.map(({ value, states }) => [value, statesOf(groups).map(({ name }) => states[name] ?? 0)]))}
                link={(day, label, bars) => (
                  <Link to="/messages" search={groupSearch(search, "day", day)} aria-label={label}>
                    {bars}
                  </Link>
                )}
              />
            </div>
          )
        }
      </Loaded>
      <div className="stack">
        <GroupTabs groupings={GROUPINGS} current={by} search={search} />
        <Loaded query={counts}>
          {({ groups }) => (
            <Table
              caption={`Messages by ${by}`}
              rows={groups}
              rowKey={({ value }) => value}
              empty="No message was granted in these days. Choose earlier ones, clear a filter, or look why people got nothing."
              columns={[
                { label: capitalize(by), cell: ({ value }) => <GroupLink by={by} value={value} /> },
                {
                  label: "All",
                  isNumber: true,
                  cell: ({ value, states }) => (
                    <Count by={by} value={value} number={Object.values(states).reduce((sum, number) => sum + number, 0)} />
                  ),
                },
                ...statesOf(groups).map(({ name }) => ({
                  label: capitalize(words(name)),
                  isNumber: true,
                  cell: ({ value, states }: Group) => <Count by={by} value={value} state={name} number={states[name] ?? 0} />,
                })),
              ]}
            />
          )}
        </Loaded>
      </div>
      <MessageList filter={filter} />
    </Page>
  )
}

const statesOf = (groups: Group[]): Series[] =>
  STATES.filter(({ name }) => groups.some(({ states }) => states[name] !== undefined))

/** A number leads to its messages. */
function Count({ by, value, state, number }: { by: Grouping; value: string; state?: string; number: number }) {
  const search = route.useSearch()
  if (number === 0) return formatNumber(number)
  const group = groupSearch(search, by, by === "provider" ? toAddress(value)! : value)
  return (
    <Link to="/messages" search={{ ...group, by, state: state ?? search.state }}>
      {formatNumber(number)}
    </Link>
  )
}

/** A group leads to its parts; a campaign to its graph, where each step leads to its people. */
function GroupLink({ by, value }: { by: Grouping; value: string }): ReactNode {
  const search = route.useSearch()
  if (value === "") return <span className="soft">none yet</span>
  if (by === "campaign") {
    return (
      <Link to="/campaigns/$key" params={{ key: value }}>
        <Cut text={value} />
      </Link>
    )
  }
  return (
    <Link to="/messages" search={groupSearch(search, by, value)}>
      <Cut text={by === "day" ? shortDay(value) : value} />
    </Link>
  )
}
