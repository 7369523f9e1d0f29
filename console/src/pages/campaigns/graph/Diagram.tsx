import { Background, Controls, type Edge, MarkerType, ReactFlow } from "@xyflow/react"
import "@xyflow/react/dist/style.css"
import { useMemo } from "react"
import { formatCompact } from "../../../format/number"
import "./graph.css"
import { NODE_HEIGHT, NODE_WIDTH, placeNodes } from "./layout"
import type { CampaignGraph } from "./model"
import { StepNode, type StepNodeType } from "./StepNode"

const NODE_TYPES = { step: StepNode }
const MOST_WIDTH = 8

/** The graph as a drawing; the table below it says the same. */
export function Diagram({
  graph,
  selected,
  select,
}: {
  graph: CampaignGraph
  selected: string | undefined
  select: (step: string) => void
}) {
  // New counts move nothing.
  const shape = JSON.stringify([graph.nodes.map(({ id }) => id), graph.edges.map(({ from, to }) => [from, to])])
  const places = useMemo(() => placeNodes(graph), [shape])
  const most = Math.max(1, ...graph.edges.map(({ people }) => people ?? 0))
  const nodes = graph.nodes.map<StepNodeType>((step) => ({
    id: step.id,
    type: "step",
    position: places.get(step.id) ?? { x: 0, y: 0 },
    width: NODE_WIDTH,
    height: NODE_HEIGHT,
    ariaLabel: step.label,
    data: { step, isSelected: step.id === selected },
  }))
  const edges = graph.edges.map<Edge>(({ from, to, label, people }, index) => ({
    id: String(index),
    source: from,
    target: to,
    label: [label, people === null ? null : formatCompact(people)].filter(Boolean).join(" · "),
    focusable: false,
    markerEnd: { type: MarkerType.ArrowClosed, markerUnits: "userSpaceOnUse", width: 14, height: 14 },
    style: { strokeWidth: 1 + ((people ?? 0) / most) * MOST_WIDTH },
  }))
  return (
    <div className="diagram">
      <ReactFlow
        nodes={nodes}
        edges={edges}
        nodeTypes={NODE_TYPES}
        nodesDraggable={false}
        nodesConnectable={false}
        edgesFocusable={false}
        minZoom={0.2}
        maxZoom={1.5}
        fitView
        fitViewOptions={{ maxZoom: 1, padding: 0.08 }}
        preventScrolling={false}
        zoomOnScroll={false}
        proOptions={{ hideAttribution: true }}
        onNodeClick={(_, { id }) => select(id)}
      >
        <Background gap={20} />
        <Controls showInteractive={false} />
      </ReactFlow>
    </div>
  )
}
