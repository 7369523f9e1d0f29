import { Graph, layout } from "@dagrejs/dagre"
import { shorten } from "../../../format/words"
import type { DrawnEdge, DrawnGraph, GraphNode } from "./model"

export const NODE_WIDTH = 224
/** Of a way's name, as it is drawn; the whole name is its title. */
export const MAX_LABEL = 28

// By what can stand on it, not by what does: new counts move nothing.
const HEIGHTS: Partial<Record<GraphNode["kind"], number>> = { entry: 94, end: 66, send: 120 }
// Of a name in its font, with room for a number beside it.
const CHARACTER_WIDTH = 7
const NUMBER_WIDTH = 56
const LABEL_HEIGHT = 20
// A way leaves a node, and comes to one, not at its very corner.
const CORNER = 20

export const heightOf = ({ kind }: GraphNode): number => HEIGHTS[kind] ?? 94

interface Point {
  x: number
  y: number
}

/** A way as a line of points from the edge of a node to that of another, with the middle of its name. */
export interface DrawnWay {
  points: Point[]
  label: Point
}

export interface Layout {
  width: number
  height: number
  /** Where each node stands: its top left corner, by its id. */
  nodes: Map<string, Point>
  /** In the order of the edges. */
  ways: DrawnWay[]
}

/** Place nodes, and lead the ways around them: a name has room of its own. */
export function placeGraph({ nodes, edges }: DrawnGraph): Layout {
  const graph = new Graph({ multigraph: true })
  graph.setGraph({ rankdir: "TB", nodesep: 32, edgesep: 16, ranksep: 40 })
  // The library keeps names as keys of an object, which has some of its own: `constructor` may be a step.
  const names = new Map(nodes.map(({ id }, index) => [id, String(index)]))
  const nameOf = (id: string) => names.get(id) ?? id
  for (const node of nodes) graph.setNode(nameOf(node.id), { width: NODE_WIDTH, height: heightOf(node) })
  edges.forEach((edge, index) =>
    graph.setEdge(nameOf(edge.source), nameOf(edge.target), { ...sizeOf(edge), labelpos: "c" }, String(index)),
  )
  layout(graph)
  const boxes = new Map(nodes.map((node) => [node.id, graph.node(nameOf(node.id)) as Box]))
  const { width = 0, height = 0 } = graph.graph() as Partial<Box>
  return {
    width,
    height,
    nodes: new Map([...boxes].map(([id, box]) => [id, { x: box.x - box.width / 2, y: box.y - box.height / 2 }])),
    ways: edges.map(({ source, target }, index) => {
      const found = graph.edge(nameOf(source), nameOf(target), String(index)) as Point & { points: Point[] }
      return lead(found, boxes.get(source), boxes.get(target))
    }),
  }
}

type Box = Point & { width: number; height: number }

const sizeOf = ({ label }: DrawnEdge) => ({
  width: shorten(label, MAX_LABEL).length * CHARACTER_WIDTH + NUMBER_WIDTH,
  height: LABEL_HEIGHT,
})

/** A way that begins and ends above or below its nodes. */
function lead({ points, x, y }: Point & { points: Point[] }, source: Box | undefined, target: Box | undefined): DrawnWay {
  const inner = points.slice(1, -1)
  const [first, last] = [inner[0], inner.at(-1)]
  if (!source || !target || !first || !last) return { points, label: { x, y } }
  return { points: [touch(source, first), ...inner, touch(target, last)], label: { x, y } }
}

/** Where a line from a point meets the upper or lower edge of a box. */
function touch({ x, y, width, height }: Box, from: Point): Point {
  const reach = width / 2 - CORNER
  return {
    x: Math.min(Math.max(from.x, x - reach), x + reach),
    y: from.y < y ? y - height / 2 : y + height / 2,
  }
}

/** The line through points as the path of an SVG: it comes to each vertically. */
export const pathOf = ([first, ...others]: Point[]): string =>
  first === undefined
    ? ""
    : others.reduce(
        ({ path, from }, to) => {
          const middle = (from.y + to.y) / 2
          return { path: `${path} C${from.x},${middle} ${to.x},${middle} ${to.x},${to.y}`, from: to }
        },
        { path: `M${first.x},${first.y}`, from: first },
      ).path
