import type { Schemas } from "../../api/client"
import { Badge, type Tone } from "../../ui/Badge"
import { Data } from "../../ui/Data"
import { Warnings } from "./Warnings"

const TONES: Record<Schemas["DocumentRuleChange"]["kind"], Tone> = { added: "good", removed: "bad", changed: "accent" }

/** The effects of applying a document of the deployment. */
export function RuleChanges({ plan }: { plan: Schemas["PlannedDocument"] }) {
  return (
    <div className="page">
      <p>{plan.next_version === plan.version ? "The same text as in force." : `Makes version ${plan.next_version}.`}</p>
      <ul className="stack">
        {plan.changes.length === 0 && <li className="soft">No rule changes.</li>}
        {plan.changes.map(({ kind, name, before, after, read_by }) => (
          <li key={name} className="card stack">
            <span>
              <Badge tone={TONES[kind]}>{kind}</Badge> {name}
            </span>
            {before !== null && <Data value={before} />}
            {before !== null && after !== null && <span className="soft">becomes</span>}
            {after !== null && <Data value={after} />}
            {read_by.length > 0 && (
              <span className="soft">Read by {read_by.map(({ kind, key }) => `${kind} ${key}`).join(", ")}</span>
            )}
          </li>
        ))}
      </ul>
      {Object.entries(plan.people ?? {}).map(([stage, { members }]) => (
        <p key={stage}>
          {stage}: {members.summary}
        </p>
      ))}
      <Warnings warnings={plan.warnings} />
    </div>
  )
}
