import type { Schemas } from "../../api/client"
import { words } from "../../format/words"
import { Badge } from "../../ui/Badge"
import { CampaignLink, JourneyLink, PersonLink } from "../../ui/links"
import { toneOf } from "../../ui/states"
import { type Column, Table } from "../../ui/Table"
import { Time } from "../../ui/Time"

type Journey = Schemas["Journey"]

const COLUMNS: Column<Journey>[] = [
  { label: "Journey", cell: ({ id }) => <JourneyLink id={id} /> },
  { label: "Campaign", cell: ({ campaign }) => <CampaignLink campaign={campaign} /> },
  { label: "Person", cell: (journey) => <PersonLink person={{ user_id: journey.user_id }} /> },
  {
    label: "State",
    cell: ({ state, status, outcome }) => (
      <Badge tone={toneOf(status ?? outcome ?? state)}>{words(status ?? outcome ?? state)}</Badge>
    ),
  },
  { label: "Step", cell: ({ step }) => step },
  { label: "Goes on", cell: ({ wakes_at }) => <Time at={wakes_at} /> },
  { label: "Entered", cell: ({ entered_at }) => <Time at={entered_at} /> },
  { label: "Ended", cell: ({ ended_at }) => <Time at={ended_at} /> },
  { label: "Version", isNumber: true, cell: ({ version }) => version },
]

export function JourneyTable({ journeys, empty }: { journeys: Journey[]; empty: string }) {
  return <Table caption="Journeys" columns={COLUMNS} rows={journeys} rowKey={({ id }) => id} empty={empty} />
}
