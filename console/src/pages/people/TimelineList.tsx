import type { Schemas } from "../../api/client"
import { words } from "../../format/words"
import { Badge } from "../../ui/Badge"
import { Data, Masked } from "../../ui/Data"
import { CampaignLink, JourneyLink } from "../../ui/links"
import { toneOf } from "../../ui/states"
import { Time } from "../../ui/Time"

type Item = Schemas["TimelineItem"]

/** Decisions that sent nothing, or not yet: they show at once what decided them. */
const NON_SENDS = new Set(["refused", "deferred", "held", "failed", "cancelled", "capped", "unknown"])

export function TimelineList({ items, isOfJourney = false }: { items: Item[]; isOfJourney?: boolean }) {
  return (
    <ol className="timeline">
      {items.map((item, index) => (
        <TimelineRow key={index} item={item} isOfJourney={isOfJourney} />
      ))}
    </ol>
  )
}

function TimelineRow({ item, isOfJourney }: { item: Item; isOfJourney: boolean }) {
  const isNonSend = item.outcome !== null && NON_SENDS.has(item.outcome)
  const changes = item.changes ?? []
  const hasData = item.data === null || Object.keys(item.data).length > 0 || changes.length > 0
  return (
    <li>
      <span className="soft small">
        <Time at={item.at} />
      </span>
      <div className="item">
        <div>
          <Badge tone={toneOf(item.outcome)}>{words(item.outcome ?? item.kind)}</Badge>{" "}
          {item.summary ?? item.step ?? <Masked />}
        </div>
        {!isOfJourney && item.campaign !== null && (
          <div className="soft small">
            <CampaignLink campaign={item.campaign} />
            {item.step !== null && ` · ${item.step}`}
            {item.journey_id !== null && (
              <>
                {" · "}
                <JourneyLink id={item.journey_id} label="journey" />
              </>
            )}
          </div>
        )}
        {hasData && (
          <details open={isNonSend}>
            <summary className="soft small">
              {item.reason === null ? "Data" : `Why: ${words(item.reason)}`}
            </summary>
            <div className="data stack">
              {(item.data === null || Object.keys(item.data).length > 0) && <Data value={item.data} isMasked />}
              {changes.map((change, index) => (
                <div key={index}>
                  {change.summary ?? words(change.part)} <Data value={change.changes} isMasked />
                </div>
              ))}
            </div>
          </details>
        )}
      </div>
    </li>
  )
}
