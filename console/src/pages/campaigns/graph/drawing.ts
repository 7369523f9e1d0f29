import type { Change, DrawnGraph, GraphEdge, GraphNode } from "./model"

interface Graph {
  nodes: GraphNode[]
  edges: GraphEdge[]
}

/** A version alone. */
export const draw = ({ nodes, edges }: Graph): DrawnGraph => ({
  nodes: nodes.map((node) => ({ ...node, change: null })),
  edges: edges.map((edge) => ({ ...edge, change: null })),
})

const way = ({ source, target }: GraphEdge): string => JSON.stringify([source, target])

/** A version with what it changes of another one: the steps and ways that are gone are drawn as well. */
export function drawChanges(after: Graph, before: Graph, changes: Change[]): DrawnGraph {
  const kinds = new Map<string | null, Change["kind"]>()
  for (const { what, name, kind } of changes) {
    // The first change of a step counts: a move stands before what else is changed of it.
    if (what === "step" && !kinds.has(name)) kinds.set(name, kind)
  }
  const shown = new Set(after.nodes.map(({ id }) => id))
  const [waysBefore, waysAfter] = [new Set(before.edges.map(way)), new Set(after.edges.map(way))]
  return {
    nodes: [
      ...after.nodes.map((node) => ({ ...node, change: kinds.get(node.id) ?? null })),
      ...before.nodes.filter(({ id }) => !shown.has(id)).map((node) => ({ ...node, change: "removed" as const })),
    ],
    edges: [
      ...after.edges.map((edge) => ({ ...edge, change: waysBefore.has(way(edge)) ? null : ("added" as const) })),
      ...before.edges
        .filter((edge) => !waysAfter.has(way(edge)))
        .map((edge) => ({ ...edge, change: "removed" as const })),
    ],
  }
}
