import type { Schemas } from "../../api/client"
import { Data } from "../../ui/Data"
import { Section } from "../../ui/Page"
import { Warnings } from "./Warnings"

/** The effects of applying a segment, with how many people they concern. */
export function SegmentPlanSummary({
  planned: { kind, key, next_version, before, after, read_by, people },
  warnings,
}: {
  planned: Schemas["PlannedSegment"]
  warnings: Schemas["PublishWarning"][]
}) {
  return (
    <div className="page">
      <p>
        {kind === "unchanged"
          ? `${key} stays as it is.`
          : `Makes version ${next_version} of ${key}. Everyone is judged by it, which Operations shows.`}
      </p>
      {people !== null && (
        <Section title="People">
          <ul className="card stack">
            <li>Members: {people.members.summary}</li>
            <li>Join: {people.joins.summary}</li>
            <li>Leave: {people.leaves.summary}</li>
          </ul>
        </Section>
      )}
      {kind !== "unchanged" && (
        <Section title="Changes">
          <div className="card stack">
            {before !== null && <Data value={before} />}
            {before !== null && after !== null && <span className="soft">becomes</span>}
            {after !== null && <Data value={after} />}
            {read_by.length > 0 && (
              <span className="soft">Read by {read_by.map(({ kind, key }) => `${kind} ${key}`).join(", ")}</span>
            )}
          </div>
        </Section>
      )}
      <Warnings warnings={warnings} />
    </div>
  )
}
