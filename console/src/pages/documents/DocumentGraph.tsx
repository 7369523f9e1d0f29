import { useState } from "react"
import { api, type Schemas } from "../../api/client"
import { Diagram } from "../campaigns/graph/Diagram"
import { draw, drawChanges } from "../campaigns/graph/drawing"

/** A document as a graph, with what it changes and the people who are there; a node leads to its line. */
export function DocumentGraph({ graph, goTo }: { graph: Schemas["DocumentGraph"]; goTo: (line: number) => void }) {
  const { campaign, compared_with, changes } = graph
  const [selected, select] = useState<string>()
  const { data: before } = api.useQuery(
    "get",
    "/v1/campaigns/{key}/graph",
    { params: { path: { key: campaign }, query: { version: compared_with ?? undefined } } },
    { enabled: compared_with !== null },
  )
  return (
    <Diagram
      graph={before === undefined ? draw(graph) : drawChanges(graph, before, changes)}
      place={
        graph.counts_of === null || before === undefined
          ? undefined
          : { campaign, version: graph.counts_of, since: before.since }
      }
      selected={selected}
      select={(id) => {
        select(id)
        const line = graph.nodes.find((node) => node.id === id)?.line
        if (line != null) goTo(line)
      }}
    />
  )
}
