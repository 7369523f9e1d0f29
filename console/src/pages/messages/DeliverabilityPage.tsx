import { getRouteApi, Link } from "@tanstack/react-router"
import { actingHeaders, api, http, type Schemas } from "../../api/client"
import { formatNumber, formatShare } from "../../format/number"
import { words } from "../../format/words"
import { Action } from "../../ui/Action"
import { Badge } from "../../ui/Badge"
import { DAY_LENGTH, Filters } from "../../ui/Filters"
import { Loaded } from "../../ui/Loaded"
import { Page, Section } from "../../ui/Page"
import { type Column, Table } from "../../ui/Table"
import { Time } from "../../ui/Time"

const route = getRouteApi("/deliverability")
const DAYS = ["3", "7", "14", "30"] as const

type Numbers = Schemas["DomainNumbers"]

const rate = (label: string, count: (numbers: Numbers) => number, of: keyof Schemas["DeliveryRates"]): Column<Numbers> => ({
  label,
  isNumber: true,
  cell: (numbers) =>
    numbers.rates[of] !== null && (
      <span title={`${formatNumber(count(numbers))} of ${formatNumber(numbers.sent)}`}>{formatShare(numbers.rates[of])}</span>
    ),
})

const COLUMNS: Column<Numbers>[] = [
  { label: "Domain", cell: ({ domain }) => domain },
  { label: "Sent", isNumber: true, cell: ({ sent }) => formatNumber(sent) },
  rate("Delivered", ({ delivered }) => delivered, "delivered"),
  rate("Hard bounces", ({ hard_bounced }) => hard_bounced, "hard_bounced"),
  rate("Soft bounces", ({ soft_bounced }) => soft_bounced, "soft_bounced"),
  rate("Refused", ({ refused }) => refused, "refused"),
  rate("Complaints", ({ complained }) => complained, "complained"),
  rate("Opened", ({ opened }) => opened, "opened"),
  rate("Clicked", ({ clicked }) => clicked, "clicked"),
]

export function DeliverabilityPage() {
  const search = route.useSearch()
  const days = search.days === undefined ? undefined : Number(search.days)
  const numbers = api.useQuery("get", "/v1/deliverability", { params: { query: { days } } }, { refetchInterval: 10_000 })
  return (
    <Page title="Deliverability">
      <Filters search={search} filters={[{ name: "days", label: "Days", options: DAYS, none: "1" }]} />
      <Loaded query={numbers}>
        {({ numbers, pauses, since }) => (
          <>
            {pauses.length > 0 && (
              <Section title="Pauses">
                <ul className="card stack">
                  {pauses.map((pause) => (
                    <Pause key={pause.id} pause={pause} />
                  ))}
                </ul>
              </Section>
            )}
            <Section title="By provider and mailbox provider" aside={<span className="soft">since <Time at={since} /></span>}>
              <Table
                caption="Deliverability"
                columns={[
                  {
                    label: "Provider",
                    cell: ({ provider }) => (
                      <Link to="/messages" search={{ provider, from: since.slice(0, DAY_LENGTH) }}>
                        {provider}
                      </Link>
                    ),
                  },
                  ...COLUMNS,
                ]}
                rows={numbers}
                rowKey={({ provider, domain }) => `${provider} ${domain}`}
                empty="No message was sent in these days."
              />
            </Section>
          </>
        )}
      </Loaded>
    </Page>
  )
}

function Pause({ pause }: { pause: Schemas["DeliverabilityPause"] }) {
  const isOpen = pause.resumed_at === null
  return (
    <li className="row">
      <Badge tone={isOpen ? "bad" : "plain"}>{isOpen ? "paused" : "resumed"}</Badge>
      <strong>{pause.provider}</strong>
      {words(pause.cause)} {formatShare(pause.rate)} (limit {formatShare(pause.limit)})
      <Time at={pause.resumed_at ?? pause.paused_at} />
      {isOpen && (
        <Action
          label="Resume"
          title={`Resume ${pause.provider}`}
          needs="operate"
          effect={
            <p>
              Marketing messages by {pause.provider} are sent again, those that wait first. It was paused since{" "}
              {formatNumber(pause.number)} of {formatNumber(pause.messages)} were {words(pause.cause)}.
            </p>
          }
          run={(act) =>
            http.POST("/v1/deliverability/{provider}/resume", {
              params: { path: { provider: pause.provider } },
              headers: actingHeaders(act),
            })
          }
        />
      )}
    </li>
  )
}
