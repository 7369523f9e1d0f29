import { getRouteApi, Link } from "@tanstack/react-router"
import { api, type Schemas } from "../../api/client"
import { formatNumber } from "../../format/number"
import { DayBars } from "../../ui/Chart"
import { Filters, PERIOD, usedPeriod } from "../../ui/Filters"
import { CampaignLink } from "../../ui/links"
import { Empty, Loaded } from "../../ui/Loaded"
import { Section } from "../../ui/Page"
import { Table } from "../../ui/Table"
import { nonSendSearch } from "./nonSendSearch"

type Rule = Schemas["RulePressure"]

const route = getRouteApi("/frequency-caps")

/** How often each rule granted, put off and refused messages, by day and campaign, and who took the room. */
export function CapPressure() {
  const search = route.useSearch()
  const { from, to } = search
  const pressure = api.useQuery("get", "/v1/caps/pressure", { params: { query: { from, to } } }, { refetchInterval: 10_000 })
  return (
    <Section title="Pressure" aside={<Filters search={search} used={usedPeriod(pressure.data)} filters={PERIOD} />}>
      <Loaded query={pressure}>
        {({ rules }) =>
          rules.length === 0 ? (
            <Empty>No rule held a message back in these days. Choose earlier ones to see more.</Empty>
          ) : (
            rules.map((rule) => <RuleSection key={rule.rule} rule={rule} />)
          )
        }
      </Loaded>
    </Section>
  )
}

function RuleSection({ rule: { rule, days, campaigns, taken } }: { rule: Rule }) {
  const { from, to } = route.useSearch()
  const refusals = (more: { campaign?: string; from?: string; to?: string }) =>
    nonSendSearch({ from, to, rule, ...more })
  return (
    <Section
      title={rule}
      aside={
        <Link to="/non-sends" search={refusals({})}>
          The people it refused
        </Link>
      }
    >
      <div className="card">
        <DayBars
          label={`${rule} by day`}
          from={from}
          to={to}
          series={[
            { name: "granted", tone: "good" },
            { name: "put off", tone: "accent" },
            { name: "refused", tone: "warn" },
          ]}
          days={new Map(days.map(({ day, granted, deferred, refused }) => [day, [granted ?? 0, deferred, refused]]))}
          link={(day, label, bars) => (
            <Link to="/non-sends" search={refusals({ from: day, to: day })} aria-label={label}>
              {bars}
            </Link>
          )}
        />
      </div>
      <Table
        caption={`${rule} by campaign`}
        rows={campaigns}
        rowKey={({ campaign }) => campaign}
        empty="No campaign."
        columns={[
          { label: "Campaign", cell: ({ campaign }) => <CampaignLink campaign={campaign} /> },
          { label: "Put off", isNumber: true, cell: ({ deferred }) => formatNumber(deferred) },
          {
            label: "Refused",
            isNumber: true,
            cell: ({ campaign, refused }) => (
              <Link to="/non-sends" search={refusals({ campaign })}>
                {formatNumber(refused)}
              </Link>
            ),
          },
        ]}
      />
      <Table
        caption={`Campaigns that took the room, ${rule}`}
        rows={taken}
        rowKey={({ campaign, by }) => `${campaign} ${by}`}
        empty="No message was held back because other campaigns had taken the room."
        columns={[
          { label: "Held back", cell: ({ campaign }) => <CampaignLink campaign={campaign} /> },
          { label: "Room taken by", cell: ({ by }) => <CampaignLink campaign={by} /> },
          { label: "Times", isNumber: true, cell: ({ times }) => formatNumber(times) },
        ]}
      />
    </Section>
  )
}
