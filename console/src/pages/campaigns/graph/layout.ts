import { Graph, layout } from "@dagrejs/dagre"
import type { DrawnGraph, GraphNode } from "./model"

export const NODE_WIDTH = 224

// By what can stand on it, not by what does: new counts move nothing.
const HEIGHTS: Partial<Record<GraphNode["kind"], number>> = { entry: 86, end: 58, send: 106 }

export const heightOf = ({ kind }: GraphNode): number => HEIGHTS[kind] ?? 78

/** Where each node stands: its top left corner, by its id. */
export function placeNodes({ nodes, edges }: DrawnGraph): Map<string, { x: number; y: number }> {
  const graph = new Graph({ multigraph: true })
  graph.setGraph({ rankdir: "TB", nodesep: 32, ranksep: 56 })
  graph.setDefaultEdgeLabel(() => ({}))
  // The library keeps names as keys of an object, which has some of its own: `constructor` may be a step.
  const names = new Map(nodes.map(({ id }, index) => [id, String(index)]))
  const nameOf = (id: string) => names.get(id) ?? id
  for (const node of nodes) graph.setNode(nameOf(node.id), { width: NODE_WIDTH, height: heightOf(node) })
  edges.forEach(({ source, target }, index) => graph.setEdge(nameOf(source), nameOf(target), {}, String(index)))
  layout(graph)
  return new Map(
    nodes.map((node) => {
      const { x, y } = graph.node(nameOf(node.id)) as { x: number; y: number }
      return [node.id, { x: x - NODE_WIDTH / 2, y: y - heightOf(node) / 2 }]
    }),
  )
}
