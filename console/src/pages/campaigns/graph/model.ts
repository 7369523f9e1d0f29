import type { Schemas } from "../../../api/client"

export type GraphNode = Schemas["GraphNode"]
export type GraphEdge = Schemas["GraphEdge"]
export type Change = Schemas["Change"]

/** The API's ids of the nodes beside the steps. */
export const ENTRY = ":entry"
export const END = ":end"

/** A node as it is drawn; `change` only where two versions are compared. */
export interface DrawnNode extends GraphNode {
  change: Change["kind"] | null
}

export interface DrawnEdge extends GraphEdge {
  change: "added" | "removed" | null
}

export interface DrawnGraph {
  nodes: DrawnNode[]
  edges: DrawnEdge[]
}

export const total = (counts: Record<string, number>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0)

/** The name among the reasons of messages that were granted, and not sent. */
export const CANCELLED = "cancelled"

/** What a step did not send, by reason. */
export const nonSendsOf = ({ refused, cancelled }: GraphNode): Record<string, number> =>
  cancelled > 0 ? { ...refused, [CANCELLED]: cancelled } : refused

/** Names with their numbers, the largest first. */
export const sorted = (counts: Record<string, number>): [string, number][] =>
  Object.entries(counts).sort(([, one], [, other]) => other - one)
