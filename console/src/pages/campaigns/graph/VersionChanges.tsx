import { Link } from "@tanstack/react-router"
import type { Schemas } from "../../../api/client"
import { formatCount } from "../../../format/number"
import { Badge } from "../../../ui/Badge"
import { toneOf } from "../../../ui/states"

/** The changes between two versions; those of a step lead to it. */
export function VersionChanges({ found: { before, after, changes } }: { found: Schemas["VersionChanges"] }) {
  return (
    <details className="card" open={changes.length <= 6}>
      <summary>
        {formatCount(changes.length, "change")} from version {before} to {after}
      </summary>
      <ul className="stack changes">
        {changes.map(({ kind, what, name, text }, index) => (
          <li key={index} className="row">
            <Badge tone={toneOf(kind)}>{kind}</Badge>
            {what === "step" ? (
              <Link to="." search={(search: object) => ({ ...search, step: name ?? undefined })}>
                {text}
              </Link>
            ) : (
              text
            )}
          </li>
        ))}
      </ul>
    </details>
  )
}
