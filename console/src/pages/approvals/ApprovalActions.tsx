import { Link } from "@tanstack/react-router"
import { actingHeaders, http, type Schemas } from "../../api/client"
import { formatCount } from "../../format/number"
import { words } from "../../format/words"
import { Action } from "../../ui/Action"
import { ExactTime } from "../../ui/Time"

type Approval = Schemas["Approval"]

/** The effect of each change, once it is approved. */
const EFFECTS: Record<Approval["action"], (approval: Approval) => string> = {
  start: ({ version }) => `Version ${version} lets people in from then on, or once its schedule begins.`,
  begin: ({ version }) => `The schedule of version ${version} begins, and people enter.`,
  resume: ({ version }) => `Version ${version} goes on, and the messages that the pause holds are sent unless their time has passed.`,
  enter: ({ version }) => `The audience of version ${version} enters once more.`,
  continue: ({ version }) => `The rest of the audience of version ${version} enters, from where it was held.`,
}

/** The consequence of a rejection, unless the campaign stays as it is. */
const REJECTIONS: Partial<Record<Approval["action"], string>> = {
  begin: "The campaign is stopped before it begins.",
  continue: "The rest of the audience does not enter. People who have entered go on.",
}

const IN_FLIGHT: Record<string, string> = {
  keep: "Journeys on other versions finish on theirs.",
  migrate: "Journeys on other versions go on by this one.",
  exit: "Journeys on other versions end, and nothing more of them is sent.",
}

export function ApprovalActions({ approval }: { approval: Approval }) {
  const call = (act: string) => ({ params: { path: { id: approval.id } }, headers: actingHeaders(act) })
  return (
    <div className="row">
      <Action
        label="Approve"
        title={`Approve: ${words(approval.action)} ${approval.campaign}`}
        needs="approve"
        effect={<ApproveEffect approval={approval} />}
        run={(act) => http.POST("/v1/approvals/{id}/approve", call(act))}
      />
      <Action
        label="Reject"
        title={`Reject: ${words(approval.action)} ${approval.campaign}`}
        needs="approve"
        isDangerous
        effect={
          <p>
            {REJECTIONS[approval.action] ?? `The campaign stays as it is. ${approval.requested_by} can request it again.`}
          </p>
        }
        run={(act) => http.POST("/v1/approvals/{id}/reject", call(act))}
      />
    </div>
  )
}

function ApproveEffect({ approval }: { approval: Approval }) {
  const { campaign, version, people, requested_by, parameters, expires_at } = approval
  const inFlight = IN_FLIGHT[String(parameters.in_flight)]
  return (
    <div className="stack">
      <p>
        It is done at once, in the name of {requested_by}. {EFFECTS[approval.action](approval)} {inFlight}
      </p>
      <p>
        It may reach up to <strong>{formatCount(people, "person", "people")}</strong>. Messages that are sent are not called
        back.
      </p>
      <p>
        <Link to="/campaigns/$key" params={{ key: campaign }} search={{ version: String(version) }}>
          Look at version {version}
        </Link>{" "}
        first. Another person than {requested_by} approves, until <ExactTime at={expires_at} />.
      </p>
    </div>
  )
}
