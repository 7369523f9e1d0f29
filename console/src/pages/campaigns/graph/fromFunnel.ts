import type { Schemas } from "../../../api/client"
import { type CampaignGraph, type GraphEdge, type GraphNode, total } from "./model"

type Step = Schemas["StepFunnel"]
type Funnel = Schemas["VersionFunnel"]

const ENTRY = "entry"
const END = "end"

const counted = (id: string, label: string, came: number, here = 0): GraphNode => ({
  id,
  kind: id,
  label,
  came,
  here,
  sent: 0,
  failed: 0,
  refused: {},
  deferred: {},
  oldest_waiting_since: null,
})

/** The graph of a version: its steps in the order of the document, each list of a step a branch of its own. */
export function graphFromFunnel(funnel: Funnel): CampaignGraph {
  const ended = funnel.entered - funnel.active
  const edges: GraphEdge[] = []
  const stepsOf = (list: string) => funnel.steps.filter(({ within, block }) => listName(within, block) === list)
  const connect = (from: Exit[], to: string, people: number) =>
    edges.push(...from.map(({ id, label }) => ({ from: id, to, label, people })))

  /** Connect the steps of a list after those that lead to it; return those that lead out of it. */
  const follow = (list: string, before: Exit[]): Exit[] => {
    let last = before
    for (const step of stepsOf(list)) {
      connect(last, step.id, step.reached)
      last = leave(step)
    }
    return last
  }

  const leave = (step: Step): Exit[] => {
    if (step.kind === "exit") {
      connect([{ id: step.id, label: null }], END, step.reached)
      return []
    }
    const blocks = new Set(funnel.steps.filter(({ within }) => within === step.id).map(({ block }) => block ?? ""))
    if (blocks.size === 0) return [{ id: step.id, label: null }]
    const within = [...blocks].flatMap((block) => follow(listName(step.id, block), [{ id: step.id, label: block }]))
    // A branch without steps is not in the funnel: some may go on past the others.
    const taken = [...blocks].reduce((sum, block) => sum + (stepsOf(listName(step.id, block))[0]?.reached ?? 0), 0)
    return taken < step.reached ? [...within, { id: step.id, label: "else" }] : within
  }

  connect(follow(listName(null, null), [{ id: ENTRY, label: null }]), END, ended)
  return {
    nodes: [counted(ENTRY, "Entry", funnel.entered), ...funnel.steps.map(describe), counted(END, "End", ended)],
    edges,
  }
}

interface Exit {
  id: string
  label: string | null
}

const listName = (within: string | null, block: string | null): string => `${within ?? ""}\n${block ?? ""}`

function describe({ id, kind, reached, now, messages }: Step): GraphNode {
  const node = { ...counted(id, id, reached, total(now)), kind }
  if (messages === null) return node
  const { sent, failed, refused, capped, deferred } = messages
  return { ...node, sent, failed, refused: capped > 0 ? { ...refused, capped } : refused, deferred }
}
