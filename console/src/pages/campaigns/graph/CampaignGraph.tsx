import { getRouteApi, useNavigate } from "@tanstack/react-router"
import { api, type Schemas } from "../../../api/client"
import { formatNumber } from "../../../format/number"
import { Filters } from "../../../ui/Filters"
import { Loaded } from "../../../ui/Loaded"
import { Figures } from "../../../ui/Page"
import { Diagram } from "./Diagram"
import { draw, drawChanges } from "./drawing"
import { END, ENTRY, total } from "./model"
import { HereLink, JourneysLink, MessagesLink, RefusedLink } from "./peopleLinks"
import { StepDetails } from "./StepDetails"
import { Steps } from "./Steps"
import { VersionChanges } from "./VersionChanges"

type Graph = Schemas["CampaignGraph"]

const route = getRouteApi("/campaigns/$key")
// As old as the API's numbers may be. An unchanged graph is answered without a body, and a page out of sight asks nothing.
const POLL = { refetchInterval: 2_000 }

export function CampaignGraphTab({ campaign }: { campaign: Schemas["Campaign"] }) {
  const search = route.useSearch()
  const graph = useGraph(campaign.key, search.version)
  return <Loaded query={graph}>{(graph) => <VersionGraph graph={graph} />}</Loaded>
}

function useGraph(key: string, version: string | undefined, isNeeded = true) {
  const query = version === undefined ? {} : { version: Number(version) }
  return api.useQuery(
    "get",
    "/v1/campaigns/{key}/graph",
    { params: { path: { key }, query } },
    { ...POLL, enabled: isNeeded },
  )
}

/** A version with its numbers, alone or with what it changes of another one. */
function VersionGraph({ graph }: { graph: Graph }) {
  const search = route.useSearch()
  const navigate = useNavigate()
  const select = (step: string) => void navigate({ to: ".", search: { ...search, step }, replace: true })
  const isCompared = search.compare !== undefined && search.compare !== String(graph.version)
  const before = useGraph(graph.campaign, search.compare, isCompared)
  const changes = api.useQuery(
    "get",
    "/v1/campaigns/{key}/versions/{number}/changes",
    {
      params: {
        path: { key: graph.campaign, number: graph.version },
        query: { from: Number(search.compare) },
      },
    },
    { enabled: isCompared, staleTime: Infinity },
  )
  const compared = before.data && changes.data && isCompared ? changes.data.changes : []
  const drawn = before.data && changes.data && isCompared ? drawChanges(graph, before.data, compared) : draw(graph)
  const place = { campaign: graph.campaign, version: graph.version, since: graph.since }
  const selected = drawn.nodes.find(({ id }) => id === search.step)
  return (
    <>
      <div className="head">
        <GraphFigures graph={graph} />
        <Filters
          search={search}
          filters={[
            { name: "version", label: "Version", none: "in force", options: graph.versions.map(String) },
            {
              name: "compare",
              label: "Compared with",
              none: "no other",
              options: graph.versions.filter((version) => version !== graph.version).map(String),
            },
          ]}
        />
      </div>
      {isCompared && <Loaded query={changes}>{(found) => <VersionChanges found={found} />}</Loaded>}
      <div className={selected && "split"}>
        <Diagram graph={drawn} place={place} selected={search.step} select={select} />
        {selected && <StepDetails place={place} node={selected} ends={graph.ends} changes={compared} />}
      </div>
      <Steps place={place} nodes={drawn.nodes} />
    </>
  )
}

function GraphFigures({ graph }: { graph: Graph }) {
  const place = { campaign: graph.campaign, version: graph.version, since: graph.since }
  const entry = graph.nodes.find(({ id }) => id === ENTRY)
  const end = graph.nodes.find(({ id }) => id === END)
  const here = graph.nodes.reduce((sum, { here }) => sum + here, 0)
  const sent = graph.nodes.reduce((sum, { sent }) => sum + sent, 0)
  return (
    <Figures
      of={[
        ["Came in", entry && <JourneysLink place={place}>{formatNumber(entry.came)}</JourneysLink>],
        ["In flight", <HereLink place={place}>{formatNumber(here)}</HereLink>],
        ["Sent", <MessagesLink place={place} states={["sent"]}>{formatNumber(sent)}</MessagesLink>],
        ["Not let in", entry && <RefusedLink place={place} node={entry}>{formatNumber(total(entry.refused))}</RefusedLink>],
        [
          "Came to the end",
          end && (
            <JourneysLink place={place} outcome="completed">
              {formatNumber(end.came)}
            </JourneysLink>
          ),
        ],
      ]}
    />
  )
}
