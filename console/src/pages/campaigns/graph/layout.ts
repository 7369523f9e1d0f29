import { Graph, layout } from "@dagrejs/dagre"
import type { CampaignGraph } from "./model"

export const NODE_WIDTH = 208
export const NODE_HEIGHT = 92

/** Where each node stands: its top left corner, by its id. */
export function placeNodes({ nodes, edges }: CampaignGraph): Map<string, { x: number; y: number }> {
  const graph = new Graph({ multigraph: true })
  graph.setGraph({ rankdir: "TB", nodesep: 32, ranksep: 64 })
  graph.setDefaultEdgeLabel(() => ({}))
  for (const { id } of nodes) graph.setNode(id, { width: NODE_WIDTH, height: NODE_HEIGHT })
  edges.forEach(({ from, to }, index) => graph.setEdge(from, to, {}, String(index)))
  layout(graph)
  return new Map(
    nodes.map(({ id }) => {
      const { x, y } = graph.node(id) as { x: number; y: number }
      return [id, { x: x - NODE_WIDTH / 2, y: y - NODE_HEIGHT / 2 }]
    }),
  )
}
