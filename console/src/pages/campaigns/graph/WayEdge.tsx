import { BaseEdge, type Edge, type EdgeProps, EdgeText } from "@xyflow/react"
import { type DrawnWay, pathOf } from "./layout"

export type WayEdgeType = Edge<{ way: DrawnWay; text: string; title: string }, "way">

/** A way around the nodes, with its name where there is room for it. */
export function WayEdge({ data, markerEnd, style }: EdgeProps<WayEdgeType>) {
  if (data === undefined) return null
  const { way, text, title } = data
  return (
    <>
      <BaseEdge path={pathOf(way.points)} markerEnd={markerEnd} style={style} />
      {text !== "" && (
        <g>
          <title>{title}</title>
          <EdgeText x={way.label.x} y={way.label.y} label={text} labelBgPadding={[4, 2]} />
        </g>
      )}
    </>
  )
}
