import { useQuery } from "@tanstack/react-query"
import { type ReactNode, type RefObject, useId } from "react"
import { problemOf } from "../../api/problem"
import { sessionQuery, useCan } from "../../session/session"
import { Refusal } from "../../ui/Refusal"
import type { Planned } from "./DocumentEditor"

/** A plan, or why there is none, and below it what applies exactly this plan. */
export function PlanSection({
  at,
  error,
  planned,
  isApplied,
  isBusy,
  apply,
}: {
  at: RefObject<HTMLElement | null>
  error: unknown
  planned: Planned | undefined
  isApplied: boolean
  isBusy: boolean
  apply: () => void
}) {
  const reason = useId()
  const blocked = useBlocked(planned)
  return (
    <section ref={at} tabIndex={-1} className="stack plan" aria-label="Plan">
      <PlanState error={error} planned={planned} isApplied={isApplied} />
      <div className="row apply">
        {/* It keeps its place in the order of the keyboard, with the reason. */}
        <button
          type="button"
          className={blocked === undefined ? "primary" : undefined}
          aria-disabled={isBusy || blocked !== undefined}
          aria-describedby={reason}
          onClick={() => {
            if (!isBusy && blocked === undefined) apply()
          }}
        >
          Apply
        </button>
        <p id={reason} className="small soft">
          {blocked}
        </p>
      </div>
    </section>
  )
}

function PlanState({ error, planned, isApplied }: { error: unknown; planned: Planned | undefined; isApplied: boolean }) {
  if (error !== undefined && problemOf(error).problems === undefined) {
    return (
      <>
        <Refusal error={error} />
        {planned?.summary}
      </>
    )
  }
  if (error !== undefined) return <p>Nothing is planned: mend the problems below the editor first.</p>
  if (planned !== undefined) return planned.summary
  if (isApplied) return <p role="status">Applied.</p>
  return <p className="soft">The plan says what a change would do, and to how many people, before anything happens.</p>
}

/** Why nothing can be applied now, with the remedy. */
function useBlocked(planned: Planned | undefined): ReactNode {
  const { data: session } = useQuery(sessionQuery)
  const mayAuthor = useCan("author")
  if (session?.console_edit !== "apply") {
    return (
      <>
        Off: the console of this deployment plans alone. Apply from the command line, or set{" "}
        <code>SOJOURN_CONSOLE_EDIT=apply</code> and restart the API.
      </>
    )
  }
  if (!mayAuthor) {
    return (
      <>
        Your session has no scope <code>author</code>: sign in with a key that has it.
      </>
    )
  }
  return planned?.apply === undefined ? "Plan first: it applies exactly what the plan says." : undefined
}
