import { Link } from "@tanstack/react-router"
import type { MouseEvent, ReactNode } from "react"
import { messageSearch, type MessageState } from "../../messages/messageSearch"
import { nonSendSearch } from "../../messages/nonSendSearch"
import { CANCELLED, ENTRY, type GraphNode } from "./model"

/** Which graph a number stands in. */
export interface GraphPlace {
  campaign: string
  version: number
  since: string
}

// The node in which a link stands would be chosen.
const keepChoice = (event: MouseEvent) => event.stopPropagation()

/** A title that names a shortened number, and says where its link leads. */
const titleOf = (name: string | undefined, leadsTo: string): string =>
  name === undefined ? leadsTo : `${name}. ${leadsTo}`

/** The journeys in flight: all of the version, those at a node, and there by what they do. */
export function HereLink({
  place: { campaign, version },
  node,
  status,
  name,
  children,
}: {
  place: GraphPlace
  node?: GraphNode
  status?: string
  name?: string
  children: ReactNode
}) {
  return (
    <Link
      to="/journeys"
      search={{ campaign, version: String(version), step: node?.id, state: "active", status }}
      title={titleOf(name, "The journeys that are there")}
      onClick={keepChoice}
    >
      {children}
    </Link>
  )
}

/** The journeys of the version; with an outcome those that ended so, at a step or anywhere. */
export function JourneysLink({
  place: { campaign, version },
  step,
  outcome,
  name,
  children,
}: {
  place: GraphPlace
  step?: string
  outcome?: string
  name?: string
  children: ReactNode
}) {
  const state = step === undefined ? undefined : "exited"
  return (
    <Link
      to="/journeys"
      search={{ campaign, version: String(version), step, outcome, state }}
      title={titleOf(name, "The journeys of this version")}
      onClick={keepChoice}
    >
      {children}
    </Link>
  )
}

/** The messages of a step that are in one of some states. */
export function MessagesLink({
  place: { campaign, since },
  node,
  states,
  name,
  children,
}: {
  place: GraphPlace
  /** Without it, those of all steps. */
  node?: GraphNode
  states: MessageState[]
  name?: string
  children: ReactNode
}) {
  return (
    <Link
      to="/messages"
      search={messageSearch({ campaign, step: node?.id, state: states, from: since })}
      title={titleOf(name, "The messages, of all versions")}
      onClick={keepChoice}
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
  name,
  children,
}: {
  place: GraphPlace
  node: GraphNode
  reason?: string
  name?: string
  children: ReactNode
}) {
  return (
    <Link
      to="/non-sends"
      search={nonSendSearch({ campaign, step: node.id === ENTRY ? "" : node.id, reason, from: since })}
      title={titleOf(name, "The people, of all versions")}
      onClick={keepChoice}
    >
      {children}
    </Link>
  )
}

/** The people of a reason for which a step did not send: cancelled messages are listed as such. */
export function NonSendLink({
  reason,
  ...of
}: {
  place: GraphPlace
  node: GraphNode
  reason: string
  name?: string
  children: ReactNode
}) {
  return reason === CANCELLED ? <MessagesLink {...of} states={[CANCELLED]} /> : <RefusedLink {...of} reason={reason} />
}
