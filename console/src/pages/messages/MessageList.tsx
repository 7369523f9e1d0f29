import { api, PAGES, type Schemas } from "../../api/client"
import { words } from "../../format/words"
import { Badge } from "../../ui/Badge"
import { MaskNotice } from "../../ui/Data"
import { CampaignLink, JourneyLink, PersonLink } from "../../ui/links"
import { Loaded } from "../../ui/Loaded"
import { More } from "../../ui/More"
import { Section } from "../../ui/Page"
import { toneOf } from "../../ui/states"
import { type Column, Table } from "../../ui/Table"
import { Time } from "../../ui/Time"
import { type MessageFilter } from "./messageSearch"

type Message = Schemas["MessageItem"]

const REPORTS = ["delivered", "opened", "clicked", "replied", "bounced", "complained", "dismissed"] as const

const COLUMNS: Column<Message>[] = [
  { label: "Person", cell: ({ user_id }) => <PersonLink person={{ user_id }} /> },
  {
    label: "State",
    cell: ({ state, reason, detail }) => (
      <>
        <Badge tone={toneOf(state)}>{words(state)}</Badge>
        {reason !== null && <div className="soft small">{words(reason)}</div>}
        {detail !== null && <div className="soft small">{detail}</div>}
      </>
    ),
  },
  { label: "Campaign", cell: ({ campaign, template }) => (campaign === null ? template : <CampaignLink campaign={campaign} />) },
  { label: "Step", cell: ({ campaign, step }) => (campaign === null ? <span className="soft">single message</span> : step) },
  {
    label: "Channel",
    cell: ({ channel, provider }) => (
      <>
        {channel}
        {provider !== null && <div className="soft small">{provider}</div>}
      </>
    ),
  },
  { label: "When", cell: ({ at }) => <Time at={at} /> },
  { label: "Reported", cell: ({ reports }) => REPORTS.filter((name) => reports[`${name}_at`] !== null).join(", ") },
  { label: "Journey", cell: ({ journey_id }) => <JourneyLink id={journey_id} /> },
]

/** The messages of a filter, each with its person. */
export function MessageList({ filter }: { filter: MessageFilter }) {
  const messages = api.useInfiniteQuery("get", "/v1/messages", { params: { query: { ...filter, limit: 50 } } }, PAGES)
  return (
    <Section title="Messages one by one" aside={<span className="soft small">the latest first</span>}>
      <Loaded query={messages}>
        {({ pages }) => (
          <>
            {pages[0] && <MaskNotice of={pages[0]} />}
            <Table
              caption="Messages"
              columns={COLUMNS}
              rows={pages.flatMap(({ messages }) => messages)}
              rowKey={({ id }) => id}
              empty="None. Messages that were deleted, with their people or by retention, are counted and not listed."
            />
          </>
        )}
      </Loaded>
      <More pages={messages} />
    </Section>
  )
}
