import type { Schemas } from "../../api/client"
import { words } from "../../format/words"
import { Badge } from "../../ui/Badge"
import { Masked } from "../../ui/Data"
import { Empty } from "../../ui/Loaded"
import { toneOf } from "../../ui/states"
import { Time } from "../../ui/Time"

/** Everything that a simulation decides about a person, the earliest first. */
export function Trace({ lines }: { lines: Schemas["TraceLine"][] | null }) {
  if (lines === null) return <Empty><Masked /></Empty>
  if (lines.length === 0) return <Empty>Nothing comes of what this person did.</Empty>
  return (
    <ol className="timeline">
      {lines.map(({ at, campaign, kind, outcome, summary }, index) => (
        <li key={index}>
          <span className="soft small">
            <Time at={at} />
          </span>
          <div className="item">
            <div>
              <Badge tone={toneOf(outcome)}>{words(outcome ?? kind)}</Badge> {summary ?? <Masked />}
            </div>
            <div className="soft small">{campaign}</div>
          </div>
        </li>
      ))}
    </ol>
  )
}
