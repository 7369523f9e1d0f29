import { expect, test } from "vitest"
import { graphFromFunnel } from "../src/pages/campaigns/graph/fromFunnel"
import { flowGraph } from "../src/pages/lifecycle/flowGraph"

const step = (id: string, reached: number, within: string | null = null, block: string | null = null, kind = "delay") => ({
  id,
  kind,
  within,
  block,
  depth: within === null ? 0 : 1,
  reached,
  now: {},
  messages: null,
})

test("branches lead back together, an exit leads to the end, and a branch without steps goes past", () => {
  const steps = [
    step("first", 10),
    step("wait", 9, null, null, "wait_for"),
    step("out", 2, "wait", "on_event", "exit"),
    step("late", 4, "wait", "on_timeout"),
    step("last", 7),
  ]
  const funnel = { version: 1, entered: 10, active: 1, outcomes: {}, exits: {}, goals: 0, arms: [], steps }
  const drawn = graphFromFunnel(funnel).edges.map(({ from, to, label }) => [from, to, label])
  expect(drawn).toEqual([
    ["entry", "first", null],
    ["first", "wait", null],
    ["wait", "out", "on_event"],
    ["out", "end", null],
    ["wait", "late", "on_timeout"],
    ["late", "last", null],
    ["wait", "last", "else"],
    ["last", "end", null],
  ])
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
