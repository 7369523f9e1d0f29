import { Background, Controls, MarkerType, ReactFlow } from "@xyflow/react"
import "@xyflow/react/dist/style.css"
import { type CSSProperties, useMemo } from "react"
import { formatCompact, formatNumber } from "../../../format/number"
import { shorten } from "../../../format/words"
import "./graph.css"
import { heightOf, MAX_LABEL, NODE_WIDTH, placeGraph } from "./layout"
import { type DrawnGraph, ENTRY } from "./model"
import type { GraphPlace } from "./peopleLinks"
import { StepNode, type StepNodeType } from "./StepNode"
import { useViewport } from "./useViewport"
import { WayEdge, type WayEdgeType } from "./WayEdge"

const NODE_TYPES = { step: StepNode }
const EDGE_TYPES = { way: WayEdge }
// Before its first look at the page, and at what is shown as a whole on demand.
const BEGIN = { x: 0, y: 0, zoom: 1 }
const WHOLE = { padding: 0.04, maxZoom: 1 }
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
  const shape = JSON.stringify([
    graph.nodes.map(({ id, kind }) => [id, kind]),
    graph.edges.map(({ source, target, label }) => [source, target, label]),
  ])
  const layout = useMemo(() => placeGraph(graph), [shape])
  const { frame, setFlow, wanted, noteMove } = useViewport(layout, { id: ENTRY, width: NODE_WIDTH })
  const most = Math.max(1, ...graph.edges.map(({ people }) => people))
  const nodes = graph.nodes.map<StepNodeType>((step) => ({
    id: step.id,
    type: "step",
    position: layout.nodes.get(step.id) ?? { x: 0, y: 0 },
    width: NODE_WIDTH,
    height: heightOf(step),
    ariaLabel: step.change === null ? step.label : `${step.label}, ${step.change}`,
    data: { step, place, isSelected: step.id === selected },
  }))
  const edges = graph.edges.map<WayEdgeType>(({ source, target, label, people, change }, index) => ({
    id: JSON.stringify([source, target]),
    source,
    target,
    type: "way",
    data: {
      way: layout.ways[index] ?? { points: [], label: BEGIN },
      text: textOf(shorten(label, MAX_LABEL), place && change !== "added" && formatCompact(people)),
      title: textOf(label, place && change !== "added" && `${formatNumber(people)} went this way`),
    },
    className: change ?? undefined,
    focusable: false,
    markerEnd: { type: MarkerType.ArrowClosed, markerUnits: "userSpaceOnUse", width: 14, height: 14 },
    style: { strokeWidth: 1 + (people / most) * MOST_WIDTH },
  }))
  return (
    <div ref={frame} className="diagram" style={{ "--wanted": `${wanted}px` } as CSSProperties}>
      <ReactFlow
        nodes={nodes}
        edges={edges}
        nodeTypes={NODE_TYPES}
        edgeTypes={EDGE_TYPES}
        nodesDraggable={false}
        nodesConnectable={false}
        edgesFocusable={false}
        minZoom={0.2}
        maxZoom={1.5}
        defaultViewport={BEGIN}
        onInit={setFlow}
        onMoveStart={noteMove}
        preventScrolling={false}
        zoomOnScroll={false}
        proOptions={{ hideAttribution: true }}
        onNodeClick={(_, { id }) => select(id)}
      >
        <Background gap={20} />
        <Controls position="top-right" showInteractive={false} fitViewOptions={WHOLE} />
      </ReactFlow>
    </div>
  )
}

const textOf = (...parts: (string | false | undefined)[]): string => parts.filter(Boolean).join(" · ")
