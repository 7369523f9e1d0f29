import { Background, Controls, type Edge, MarkerType, ReactFlow } from "@xyflow/react"
import "@xyflow/react/dist/style.css"
import { useMemo } from "react"
import { formatCompact } from "../../../format/number"
import "./graph.css"
import { heightOf, NODE_WIDTH, placeNodes } from "./layout"
import type { DrawnGraph } from "./model"
import type { GraphPlace } from "./peopleLinks"
import { StepNode, type StepNodeType } from "./StepNode"

const NODE_TYPES = { step: StepNode }
const MOST_WIDTH = 8

/** The graph as a drawing; the table below it says the same. */
export function Diagram({
  graph,
  place,
  selected,
  select,
}: {
  graph: DrawnGraph
  /** Whose numbers it has; without it they are not shown. */
  place: GraphPlace | undefined
  selected: string | undefined
  select: (step: string) => void
}) {
  // New counts move nothing.
  const shape = JSON.stringify([graph.nodes.map(({ id }) => id), graph.edges.map((edge) => [edge.source, edge.target])])
  const places = useMemo(() => placeNodes(graph), [shape])
  const most = Math.max(1, ...graph.edges.map(({ people }) => people))
  const nodes = graph.nodes.map<StepNodeType>((step) => ({
    id: step.id,
    type: "step",
    position: places.get(step.id) ?? { x: 0, y: 0 },
    width: NODE_WIDTH,
    height: heightOf(step),
    ariaLabel: step.change === null ? step.label : `${step.label}, ${step.change}`,
    data: { step, place, isSelected: step.id === selected },
  }))
  const edges = graph.edges.map<Edge>(({ source, target, label, people, change }) => ({
    id: JSON.stringify([source, target]),
    source,
    target,
    label: [label, place && change !== "added" && formatCompact(people)].filter(Boolean).join(" · "),
    className: change ?? undefined,
    focusable: false,
    markerEnd: { type: MarkerType.ArrowClosed, markerUnits: "userSpaceOnUse", width: 14, height: 14 },
    style: { strokeWidth: 1 + (people / most) * MOST_WIDTH },
  }))
  return (
    <div className="diagram">
      <ReactFlow
        // Another shape is fitted anew.
        key={shape}
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
        <Controls position="top-right" showInteractive={false} />
      </ReactFlow>
    </div>
  )
}
