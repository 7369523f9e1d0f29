import type { Schemas } from "../../api/client"
import { formatCount, formatNumber } from "../../format/number"
import { words } from "../../format/words"
import { Badge, type Tone } from "../../ui/Badge"
import { Figures, Section } from "../../ui/Page"
import { Warnings } from "./Warnings"

const TONES: Record<Schemas["Change"]["kind"], Tone> = {
  added: "good",
  removed: "bad",
  moved: "accent",
  changed: "accent",
}

function effectOf({ takes_effect, approval }: Schemas["CampaignPlan"]): string {
  if (!takes_effect) return "It is published; people enter by it once the campaign is started."
  if (approval === null) return "It takes effect at once."
  const people = formatCount(approval.people, "person", "people")
  return `It is published, and waits for another person's approval: it may reach ${people}, more than ${formatNumber(approval.above)}.`
}

/** The effects of applying a campaign. */
export function CampaignPlanSummary({ plan }: { plan: Schemas["CampaignPlan"] }) {
  return (
    <div className="page">
      <p>
        {plan.is_new ? `Makes version ${plan.next_version}.` : `The same as version ${plan.next_version}.`}{" "}
        {effectOf(plan)}
      </p>
      <Section title="Changes">
        <ul className="card stack">
          {plan.changes.length === 0 && <li className="soft">none</li>}
          {plan.changes.map(({ kind, text }, index) => (
            <li key={index}>
              <Badge tone={TONES[kind]}>{kind}</Badge> {text}
            </li>
          ))}
        </ul>
      </Section>
      <Section title="In flight">
        <Figures
          of={[
            ["Stay", formatNumber(plan.totals.stays)],
            ["Migrate", formatNumber(plan.totals.migrates)],
            ["Exit", formatNumber(plan.totals.exits)],
            ["Undecided", formatNumber(plan.totals.undecided)],
          ]}
        />
        {plan.in_flight.map(({ version, step, journeys, fate, reason }, index) => (
          <p key={index} className="small soft">
            {formatCount(journeys, "journey")} of version {version} at {step ?? "their entry"}: {fate}
            {reason !== null && `, ${words(reason)}`}
          </p>
        ))}
      </Section>
      {plan.audience && (
        <p>
          Of {formatCount(plan.audience.profiles, "person", "people")} looked at, {formatNumber(plan.audience.in_audience)}{" "}
          are in the audience.
        </p>
      )}
      <Warnings warnings={plan.warnings} />
    </div>
  )
}
