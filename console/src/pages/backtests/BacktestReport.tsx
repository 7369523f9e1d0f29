import type { Schemas } from "../../api/client"
import { formatCount, formatNumber, formatShare } from "../../format/number"
import { words } from "../../format/words"
import { Badge } from "../../ui/Badge"
import { DayBars } from "../../ui/Chart"
import { Masked } from "../../ui/Data"
import { CampaignLink, PersonLink } from "../../ui/links"
import { Section } from "../../ui/Page"
import { type Column, Table } from "../../ui/Table"

type Report = Schemas["BacktestReport"]
type Campaign = Schemas["CampaignReport"]

const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0)

const CAMPAIGNS: Column<Campaign>[] = [
  { label: "Campaign", cell: ({ campaign }) => <CampaignLink campaign={campaign} /> },
  { label: "Entered", isNumber: true, cell: ({ entered }) => formatNumber(entered) },
  { label: "Sent", isNumber: true, cell: ({ sent }) => formatNumber(sent) },
  { label: "Not sent", isNumber: true, cell: ({ not_sent }) => formatNumber(sum(not_sent.map(({ number }) => number))) },
  { label: "Goals reached anyway", isNumber: true, cell: ({ goals }) => formatNumber(goals) },
]

interface Result {
  step: string
  result: string
  number: number
}
const RESULTS: Column<Result>[] = [
  { label: "Step", cell: ({ step }) => step },
  { label: "Result", cell: ({ result }) => result },
  { label: "Number", isNumber: true, cell: ({ number }) => formatNumber(number) },
]

const CAPS: Column<Schemas["CapReport"]>[] = [
  { label: "Rule", cell: ({ rule }) => rule },
  { label: "Refused", isNumber: true, cell: ({ refused }) => formatNumber(refused) },
  { label: "Put off", isNumber: true, cell: ({ put_off }) => formatNumber(put_off) },
  { label: "Room taken by", cell: ({ taken_by }) => listNumbers(taken_by) },
]

const FAULTS: Column<Schemas["MessageFault"]>[] = [
  { label: "Step", cell: ({ campaign, step, channel }) => `${campaign}: ${step} (${channel})` },
  {
    label: "Fault",
    cell: ({ said, fails }) => (
      <>
        <Badge tone={fails ? "bad" : "warn"}>{fails ? "fails" : "gap"}</Badge> {said ?? <Masked />}
      </>
    ),
  },
  { label: "Messages", isNumber: true, cell: ({ number }) => formatNumber(number) },
  { label: "Such as", cell: ({ user_id }) => user_id !== null && <PersonLink person={{ user_id }} /> },
]

const NUMBERS: Column<[string, number]>[] = [
  { label: "Messages", cell: ([messages]) => messages },
  { label: "People", isNumber: true, cell: ([, people]) => formatNumber(people) },
]
const REASONS: Column<[string, number]>[] = [
  { label: "Reason", cell: ([reason]) => words(reason) },
  { label: "People", isNumber: true, cell: ([, people]) => formatNumber(people) },
]

/** The report of a backtest: how far to trust it first, then its numbers. */
export function BacktestReport({ report }: { report: Report }) {
  return (
    <>
      <Head head={report.head} />
      {report.limits.length > 0 && <Limits limits={report.limits} />}
      <Section title="Campaigns">
        <Table
          caption="Campaigns"
          columns={CAMPAIGNS}
          rows={report.campaigns}
          rowKey={({ campaign }) => campaign}
          empty="No campaign was simulated: none runs, and none was given."
        />
      </Section>
      {report.campaigns.map((campaign) => (
        <CampaignResults key={campaign.campaign} campaign={campaign} />
      ))}
      {report.caps.length > 0 && (
        <Section title="Caps">
          <Table caption="Caps" columns={CAPS} rows={report.caps} rowKey={({ rule }) => rule} empty="" />
        </Section>
      )}
      <Section title="Messages per person">
        <Table
          caption="Messages per person"
          columns={NUMBERS}
          rows={Object.entries(report.messages_per_person)}
          rowKey={([messages]) => messages}
          empty="There are no people."
        />
      </Section>
      <Section title="People without a message">
        <Table
          caption="People without a message, by the last reason"
          columns={REASONS}
          rows={Object.entries(report.without_message)}
          rowKey={([reason]) => reason}
          empty="All who entered would get one."
        />
      </Section>
      <Section title="Texts">
        <p className="soft">{formatCount(report.rendered, "message")} rendered for the people who would get them.</p>
        <Table
          caption="Faults of texts"
          columns={FAULTS}
          rows={report.faults}
          rowKey={(_, index) => index}
          empty="No text fails, and none has a gap."
        />
      </Section>
    </>
  )
}

function Head({ head }: { head: Schemas["ReportHead"] }) {
  const { missing, fidelity } = head
  return (
    <Section title="How far to trust it">
      <ul className="prose">
        {fidelity && <li>{describeFidelity(fidelity)}</li>}
        <li>
          {formatCount(missing.cut, "person", "people")} came before the events that are kept; {formatNumber(missing.merged)}{" "}
          were merged by hand in the period, {formatNumber(missing.erased)} were erased.
        </li>
        {Object.keys(head.skipped).length > 0 && <li>Left out: {listNumbers(head.skipped)}.</li>}
        {head.omissions.map(({ campaign, what }) => (
          <li key={campaign + what}>
            Not simulated of {campaign}: {what}.
          </li>
        ))}
        {head.assumptions.map((text) => (
          <li key={text}>Assumed: {text}</li>
        ))}
      </ul>
    </Section>
  )
}

function describeFidelity({ people, decisions, equal, causes }: Schemas["Fidelity"]): string {
  if (decisions === 0) return "There is no real decision to compare with."
  const differ = Object.keys(causes).length > 0 ? ` The others: ${listNumbers(causes)}.` : ""
  return `${formatShare(equal / decisions)} of ${formatNumber(decisions)} real decisions about ${formatCount(people, "person", "people")} are simulated as they were.${differ}`
}

function Limits({ limits }: { limits: Schemas["LimitFinding"][] }) {
  return (
    <ul className="stack" aria-label="Limits">
      {limits.map(({ name, most, found, is_exceeded }) => (
        <li key={name}>
          <Badge tone={is_exceeded ? "bad" : "good"}>{is_exceeded ? "exceeded" : "kept"}</Badge> {words(name)}: {found}, at
          most {most}
        </li>
      ))}
    </ul>
  )
}

function CampaignResults({ campaign }: { campaign: Campaign }) {
  const days = new Map<string, number[]>()
  for (const message of campaign.messages) {
    for (const [day, number] of Object.entries(message.days)) days.set(day, [(days.get(day)?.[0] ?? 0) + number])
  }
  const known = [...days.keys()].sort()
  return (
    <Section title={campaign.campaign}>
      <DayBars
        label={`Messages of ${campaign.campaign} by day`}
        series={[{ name: "sent", tone: "good" }]}
        days={days}
        from={known[0]}
        to={known.at(-1)}
      />
      <Table
        caption={`Results of ${campaign.campaign}`}
        columns={RESULTS}
        rows={resultsOf(campaign)}
        rowKey={(_, index) => index}
        empty="Nothing comes of it."
      />
    </Section>
  )
}

function resultsOf({ messages, not_sent, put_off, not_entered, ends }: Campaign): Result[] {
  const refusals = (what: string, of: Schemas["StepRefusals"][]) =>
    of.map(({ step, reason, rule, number }) => ({
      step,
      result: `${what}: ${words(reason)}${rule === "" ? "" : ` (${rule})`}`,
      number,
    }))
  const counts = (what: string, of: Record<string, number>) =>
    Object.entries(of).map(([name, number]) => ({ step: "", result: `${what}: ${words(name)}`, number }))
  return [
    ...messages.flatMap(({ step, channel, sent, failed }) => [
      { step, result: `sent by ${channel}`, number: sent },
      { step, result: `failed by ${channel}`, number: failed },
    ]),
    ...refusals("not sent", not_sent),
    ...refusals("put off", put_off),
    ...counts("not entered", not_entered),
    ...counts("ended", ends),
  ].filter(({ number }) => number > 0)
}

function listNumbers(of: Record<string, number>): string {
  return Object.entries(of)
    .map(([name, number]) => `${formatNumber(number)} ${words(name)}`)
    .join(", ")
}
