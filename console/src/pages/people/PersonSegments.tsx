import { useState } from "react"
import { api, type Schemas } from "../../api/client"
import { Badge } from "../../ui/Badge"
import { Data, Masked } from "../../ui/Data"
import { SegmentLink } from "../../ui/links"
import { Loaded } from "../../ui/Loaded"
import { Section } from "../../ui/Page"
import { Table } from "../../ui/Table"
import { Time } from "../../ui/Time"
import type { PersonRef } from "./PersonPage"

export function PersonSegments({ user, person }: { user: Schemas["User"]; person: PersonRef }) {
  const [explained, setExplained] = useState<string | undefined>(undefined)
  return (
    <>
      <Table
        caption="Segments"
        rows={user.segments}
        rowKey={({ key }) => key}
        empty="In no segment."
        columns={[
          { label: "Segment", cell: ({ key, name }) => <SegmentLink segment={key} label={name} /> },
          { label: "Since", cell: ({ since }) => <Time at={since} /> },
          { label: "Because", cell: ({ summary }) => summary ?? (user.masked ? <Masked /> : <span className="soft">–</span>) },
          {
            label: "Why",
            cell: ({ key }) => (
              <button type="button" aria-label={`Explain ${key}`} onClick={() => setExplained(key)}>
                Explain
              </button>
            ),
          },
        ]}
      />
      {explained !== undefined && <Explanation person={person} segment={explained} />}
    </>
  )
}

function Explanation({ person, segment }: { person: PersonRef; segment: string }) {
  const explanation = api.useQuery("get", "/v1/users/{user_id}/segments/{key}", {
    params: { path: { user_id: person.id, key: segment }, query: { kind: person.kind } },
  })
  return (
    <Section title={`Why ${segment}`}>
      <Loaded query={explanation}>
        {({ condition, last_change }) => (
          <div className="card stack">
            {last_change && (
              <p>
                {last_change.summary ?? <Masked />} <Time at={last_change.at} />
              </p>
            )}
            <Part part={condition} />
          </div>
        )}
      </Loaded>
    </Section>
  )
}

/** One part of a condition with its value and what it reads; its own parts below it. */
function Part({ part }: { part: Schemas["SegmentPart"] }) {
  return (
    <div className="stack">
      <div className="row">
        <Badge tone={part.value ? "good" : part.value === null && part.reads !== null ? "warn" : "plain"}>
          {part.reads === null ? <Masked /> : part.value === null ? (part.error ?? "unknown") : part.value ? "holds" : "does not hold"}
        </Badge>
        <code>{part.text}</code>
      </div>
      {part.reads !== null && Object.keys(part.reads).length > 0 && part.parts.length === 0 && <Data value={part.reads} />}
      {part.parts.length > 0 && (
        <ul className="stack" style={{ paddingLeft: 24 }}>
          {part.parts.map((each, index) => (
            <li key={index}>
              <Part part={each} />
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}
