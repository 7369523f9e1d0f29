import { expect, test } from "vitest"
import { draw, drawChanges } from "../src/pages/campaigns/graph/drawing"
import { placeNodes } from "../src/pages/campaigns/graph/layout"
import type { Change, GraphNode } from "../src/pages/campaigns/graph/model"
import { flowGraph } from "../src/pages/lifecycle/flowGraph"

const node = (id: string, came = 0, kind = "delay"): GraphNode => ({
  id,
  kind,
  label: id,
  within: null,
  block: null,
  depth: 0,
  came,
  here: 0,
  now: {},
  oldest_waiting_since: null,
  left: {},
  refused: {},
  deferred: {},
  held: 0,
  sent: 0,
  failed: 0,
  unknown: 0,
  cancelled: 0,
  under_way: 0,
})

const edge = (source: string, target: string, people = 0) => ({ source, target, label: "", people })

const change = (kind: Change["kind"], name: string): Change => ({
  kind,
  what: "step",
  name,
  field: null,
  before: null,
  after: null,
  text: `${name} ${kind}`,
})

test("what a version adds, removes, moves and changes is drawn in it", () => {
  const before = {
    nodes: [node(":entry"), node("old", 7), node("kept"), node(":end")],
    edges: [edge(":entry", "old"), edge("old", "kept", 5), edge("kept", ":end")],
  }
  const after = {
    nodes: [node(":entry"), node("kept"), node("new"), node(":end")],
    edges: [edge(":entry", "kept"), edge("kept", "new"), edge("new", ":end")],
  }
  const changes = [change("moved", "kept"), change("changed", "kept"), change("added", "new"), change("removed", "old")]
  const drawn = drawChanges(after, before, changes)
  expect(drawn.nodes.map(({ id, came, change }) => [id, came, change])).toEqual([
    [":entry", 0, null],
    ["kept", 0, "moved"],
    ["new", 0, "added"],
    [":end", 0, null],
    ["old", 7, "removed"],
  ])
  expect(drawn.edges.map(({ source, target, people, change }) => [source, target, people, change])).toEqual([
    [":entry", "kept", 0, "added"],
    ["kept", "new", 0, "added"],
    ["new", ":end", 0, "added"],
    [":entry", "old", 0, "removed"],
    ["old", "kept", 5, "removed"],
    ["kept", ":end", 0, "removed"],
  ])
})

test("new counts move no node", () => {
  const graph = (came: number) => ({
    nodes: [node(":entry", came, "entry"), node("mail", came, "send"), node(":end", came, "end")],
    edges: [edge(":entry", "mail", came), edge("mail", ":end", came)],
  })
  expect(placeNodes(draw(graph(1_000_000)))).toEqual(placeNodes(draw(graph(0))))
})

test("moves there and back make no cycle", () => {
  const stages = [
    { key: "a", name: "A" },
    { key: "b", name: "B" },
  ]
  const moves = [
    { before: "a", after: "b", people: 3, is_designed: true },
    { before: "b", after: "a", people: 1, is_designed: false },
  ]
  const { nodes, links } = flowGraph({ stages, moves })
  expect(nodes.map(({ id }) => id)).toEqual(["before a", "before b", "after b", "after a"])
  expect(links.map(({ source, target }) => [source, target])).toEqual([
    ["before a", "after b"],
    ["before b", "after a"],
  ])
})

test("a step has any name", () => {
  const ids = [":entry", "constructor", "__proto__", "toString", ":end"]
  const edges = ids.slice(1).map((target, index) => ({ ...edge(ids[index]!, target), change: null }))
  const places = placeNodes({ nodes: ids.map((id) => ({ ...node(id), change: null })), edges })
  expect([...places.keys()]).toEqual(ids)
  expect(new Set([...places.values()].map(({ y }) => y)).size).toBe(ids.length)
})
