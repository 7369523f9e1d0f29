import { getRouteApi } from "@tanstack/react-router"
import { useState } from "react"
import { formatNumber } from "../../format/number"
import { words } from "../../format/words"
import { Badge, type Tone } from "../../ui/Badge"
import { MaskNotice } from "../../ui/Data"
import { Filters } from "../../ui/Filters"
import { CampaignLink, PersonLink } from "../../ui/links"
import { Page } from "../../ui/Page"
import { toneOf } from "../../ui/states"
import { type Column, Table } from "../../ui/Table"
import { Time } from "../../ui/Time"
import { type LiveEvent, useLiveEvents } from "./useLiveEvents"

const route = getRouteApi("/live-events")

const STATUS: Record<ReturnType<typeof useLiveEvents>["status"], [Tone, string]> = {
  connecting: ["warn", "connecting"],
  open: ["good", "live"],
  ended: ["bad", "ended"],
}

const COLUMNS: Column<LiveEvent>[] = [
  {
    label: "Event",
    cell: ({ event, result }) =>
      event ?? <span className="soft">{result.some(({ what }) => what === "rejected") ? "a refused call" : "masked"}</span>,
  },
  { label: "Arrived", cell: ({ at }) => <Time at={at} /> },
  { label: "Person", cell: ({ user_id, anonymous_id }) => <PersonLink person={{ user_id, anonymous_id }} /> },
  { label: "Source", cell: ({ source }) => source },
  {
    label: "Did",
    cell: ({ result }) =>
      result.length === 0 ? (
        <span className="soft">nothing</span>
      ) : (
        <ul className="stack">
          {result.map(({ what, campaign, reason }, index) => (
            <li key={index}>
              <Badge tone={toneOf(what)}>{words(what)}</Badge> {campaign !== null && <CampaignLink campaign={campaign} />}{" "}
              {reason !== null && <span className="soft">{words(reason)}</span>}
            </li>
          ))}
        </ul>
      ),
  },
]

export function LiveEventsPage() {
  const search = route.useSearch()
  const [isPaused, setPaused] = useState(false)
  const { events, leftOut, isMasked, status } = useLiveEvents(search, isPaused)
  const [tone, word] = isPaused ? (["plain", "paused"] as const) : STATUS[status]
  return (
    <Page
      title="Live events"
      aside={<Badge tone={tone}>{word}</Badge>}
      actions={
        <button type="button" onClick={() => setPaused(!isPaused)}>
          {isPaused ? "Go on" : "Pause"}
        </button>
      }
    >
      <Filters
        search={search}
        filters={[
          { name: "user", label: "Person", placeholder: "any of their ids" },
          { name: "event", label: "Event", placeholder: "e.g. Signed Up" },
        ]}
      />
      <MaskNotice of={{ masked: isMasked }} />
      {status === "ended" && !isPaused && (
        <p className="notice warn" role="status">
          The stream has ended: too many follow it, or your session is over. Pause and go on to follow it again.
        </p>
      )}
      {leftOut > 0 && (
        <p className="soft">{formatNumber(leftOut)} more came than are shown: 50 a second. Filter to see all of a person.</p>
      )}
      <Table
        caption="Live events"
        columns={COLUMNS}
        rows={events}
        rowKey={({ key }) => key}
        empty={
          isPaused ? "Paused. Go on to see what comes." : "Nothing has come since this page was opened. Send an event to see it here."
        }
      />
    </Page>
  )
}
