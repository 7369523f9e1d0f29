import { Link } from "@tanstack/react-router"
import { api, type Schemas } from "../../api/client"
import { formatNumber } from "../../format/number"
import { Badge } from "../../ui/Badge"
import { Cut } from "../../ui/Cut"
import { SegmentLink } from "../../ui/links"
import { Loaded } from "../../ui/Loaded"
import { Page } from "../../ui/Page"
import { toneOf } from "../../ui/states"
import { type Column, Table } from "../../ui/Table"
import { Time } from "../../ui/Time"
import { ConditionPreview } from "./ConditionPreview"

const COLUMNS: Column<Schemas["ListedSegment"]>[] = [
  {
    label: "Segment",
    cell: ({ key, name }) => (
      <>
        <SegmentLink segment={key} label={name} />
        <div className="soft small mono">
          <Cut text={key} />
        </div>
      </>
    ),
  },
  {
    label: "State",
    cell: ({ state, progress }) => (
      <Badge tone={toneOf(state)}>
        {state}
        {progress?.total != null && ` ${formatNumber(progress.done)} of ${formatNumber(progress.total)}`}
      </Badge>
    ),
  },
  {
    label: "Members",
    isNumber: true,
    cell: ({ key, members }) => (
      <Link to="/people" search={{ segment: key }}>
        {formatNumber(members)}
      </Link>
    ),
  },
  { label: "Condition", cell: ({ where }) => <code>{where}</code> },
  { label: "On change", cell: ({ on_change }) => on_change },
  { label: "In force", cell: ({ active_from }) => <Time at={active_from} /> },
]

export function SegmentsPage() {
  const segments = api.useQuery("get", "/v1/segments", {}, { refetchInterval: 5_000 })
  return (
    <Page
      title="Segments"
      actions={
        <Link className="button" to="/documents/new-segment">
          New segment
        </Link>
      }
    >
      <Loaded query={segments}>
        {({ segments }) => (
          <Table
            caption="Segments"
            columns={COLUMNS}
            rows={segments}
            rowKey={({ key }) => key}
            empty="No segment yet. Try a condition below, then write it as a document."
          />
        )}
      </Loaded>
      <ConditionPreview />
    </Page>
  )
}
