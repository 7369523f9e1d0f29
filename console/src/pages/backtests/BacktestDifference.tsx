import type { Schemas } from "../../api/client"
import { formatNumber } from "../../format/number"
import { words } from "../../format/words"
import { Figures, Section } from "../../ui/Page"
import { PersonLink } from "../../ui/links"
import { type Column, Table } from "../../ui/Table"
import { Trace } from "./Trace"

type Difference = Schemas["DifferenceReport"]
type Change = keyof Difference["people"]

const CHANGES: Record<Change, string> = {
  first: "get a message for the first time",
  more: "get more",
  other: "get as many, but others",
  other_time: "get the same at another time",
  fewer: "get fewer",
  none_any_more: "get none any more",
  same: "get the same, or none both times",
}

const tell = ({ before, after }: Schemas["NumberChange"]) =>
  before === after ? formatNumber(before) : `${formatNumber(before)} → ${formatNumber(after)}`

const PEOPLE: Column<[string, number]>[] = [
  { label: "People", cell: ([change]) => CHANGES[change as Change] },
  { label: "Number", isNumber: true, cell: ([, number]) => formatNumber(number) },
]

interface Row extends Schemas["ResultChange"] {
  campaign: string
}
const RESULTS: Column<Row>[] = [
  { label: "Campaign", cell: ({ campaign }) => campaign },
  { label: "Step", cell: ({ step }) => step },
  {
    label: "Result",
    cell: ({ kind, detail, rule }) => `${words(kind)}: ${words(detail)}${rule === "" ? "" : ` (${rule})`}`,
  },
  { label: "Before", isNumber: true, cell: ({ number }) => formatNumber(number.before) },
  { label: "After", isNumber: true, cell: ({ number }) => formatNumber(number.after) },
]

/** Everything that the change would make different, over the same events. */
export function BacktestDifference({ difference }: { difference: Difference }) {
  return (
    <Section title="Difference">
      <Figures
        of={[
          ["Messages", tell(difference.sent)],
          ["People without a message", tell(difference.without_message)],
          ["Most for one person", tell(difference.most_per_person)],
        ]}
      />
      <Table
        caption="People by what changes for them"
        columns={PEOPLE}
        rows={Object.entries(difference.people)}
        rowKey={([change]) => change}
        empty="There are no people."
      />
      <Table
        caption="Results that differ"
        columns={RESULTS}
        rows={difference.campaigns.flatMap(({ campaign, results }) => results.map((one) => ({ ...one, campaign })))}
        rowKey={(_, index) => index}
        empty="No number differs."
      />
      {difference.examples.map(({ user_id, change, before, after }) => (
        <details key={user_id}>
          <summary>
            {user_id}: {CHANGES[change]}
          </summary>
          <p>
            <PersonLink person={{ user_id }} />
          </p>
          <h3>Before</h3>
          <Trace lines={before} />
          <h3>After</h3>
          <Trace lines={after} />
        </details>
      ))}
    </Section>
  )
}
