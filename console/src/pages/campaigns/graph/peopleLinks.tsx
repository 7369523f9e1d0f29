import { Link } from "@tanstack/react-router"
import type { ReactNode } from "react"
import { messageSearch, type MessageState } from "../../messages/messageSearch"
import { nonSendSearch } from "../../messages/nonSendSearch"
import { ENTRY, type GraphNode } from "./model"

/** Which graph a number stands in. */
export interface GraphPlace {
  campaign: string
  version: number
  since: string
}

/** The journeys in flight: all of the version, those at a node, and there by what they do. */
export function HereLink({
  place: { campaign, version },
  node,
  status,
  children,
}: {
  place: GraphPlace
  node?: GraphNode
  status?: string
  children: ReactNode
}) {
  return (
    <Link to="/journeys" search={{ campaign, version: String(version), step: node?.id, state: "active", status }}>
      {children}
    </Link>
  )
}

/** The journeys of the version; with an outcome those that ended so, at a step or anywhere. */
export function JourneysLink({
  place: { campaign, version },
  step,
  outcome,
  children,
}: {
  place: GraphPlace
  step?: string
  outcome?: string
  children: ReactNode
}) {
  const state = step === undefined ? undefined : "exited"
  return (
    <Link to="/journeys" search={{ campaign, version: String(version), step, outcome, state }}>
      {children}
    </Link>
  )
}

/** The messages of a step that are in one of some states. */
export function MessagesLink({
  place: { campaign, since },
  node,
  states,
  children,
}: {
  place: GraphPlace
  node: GraphNode
  states: MessageState[]
  children: ReactNode
}) {
  return (
    <Link
      to="/messages"
      search={messageSearch({ campaign, step: node.id, state: states, from: since })}
      title="The messages, of all versions"
    >
      {children}
    </Link>
  )
}

/** The people who were refused at a node. */
export function RefusedLink({
  place: { campaign, since },
  node,
  reason,
  children,
}: {
  place: GraphPlace
  node: GraphNode
  reason?: string
  children: ReactNode
}) {
  return (
    <Link
      to="/non-sends"
      search={nonSendSearch({ campaign, step: node.id === ENTRY ? "" : node.id, reason, from: since })}
      title="The people, of all versions"
      // The node itself would be chosen.
      onClick={(event) => event.stopPropagation()}
    >
      {children}
    </Link>
  )
}
