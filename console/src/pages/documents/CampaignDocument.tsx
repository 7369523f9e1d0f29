import { keepPreviousData, useQueryClient } from "@tanstack/react-query"
import { actingHeaders, api, http, nameAct, type Schemas } from "../../api/client"
import { Loaded } from "../../ui/Loaded"
import { StartBacktest } from "../backtests/StartBacktest"
import { CampaignPlanSummary } from "./CampaignPlanSummary"
import { DocumentEditor } from "./DocumentEditor"
import { DocumentGraph } from "./DocumentGraph"
import { documentOf, type Files } from "./files"
import { SendTest } from "./SendTest"

type InFlight = NonNullable<Schemas["PlanRequest"]["in_flight"]>

const IN_FLIGHT: Record<InFlight, string> = {
  keep: "finish on their version",
  migrate: "go on at the same step of the new one",
  exit: "end",
}

/** The latest version of a campaign with its templates, to change. */
export function CampaignDocument({ campaign }: { campaign: Schemas["Campaign"] }) {
  const queries = useQueryClient()
  const { key, latest_version: number } = campaign
  const version = api.useQuery(
    "get",
    "/v1/campaigns/{key}/versions/{number}",
    { params: { path: { key, number } } },
    // The text that is typed stays while a newer version is read.
    { placeholderData: keepPreviousData },
  )
  return (
    <Loaded query={version}>
      {({ version, file, source, templates }) => (
        <DocumentEditor
          version={version}
          initial={{ [file]: source, ...templates }}
          schemaName="campaign"
          choice={{ label: "Journeys in flight", values: IN_FLIGHT }}
          plan={(files, chosen) => planCampaign(key, files, chosen as InFlight)}
          draw={(files) => drawCampaign(key, files)}
          takesTemplates
          applied={() => void queries.invalidateQueries()}
          actions={(files) => (
            <>
              <StartBacktest label="Backtest this" files={files} />
              <SendTest campaign={campaign} files={files} />
            </>
          )}
        />
      )}
    </Loaded>
  )
}

export async function planCampaign(key: string, files: Files, in_flight: InFlight = "keep") {
  const body = { ...documentOf(files), in_flight }
  const params = { path: { key } }
  const { data, error } = await http.POST("/v1/campaigns/{key}/plan", { params, body })
  if (data === undefined) return { error }
  const headers = actingHeaders(nameAct())
  const apply = () =>
    http.POST("/v1/campaigns/{key}/apply", { params, headers, body: { ...body, plan: data.hash } })
  return { planned: { summary: <CampaignPlanSummary plan={data} />, apply } }
}

export async function drawCampaign(key: string, files: Files) {
  const { data, error } = await http.POST("/v1/campaigns/{key}/graph", {
    params: { path: { key } },
    body: documentOf(files),
  })
  if (data === undefined) return { error }
  return { drawing: (goTo: (line: number) => void) => <DocumentGraph graph={data} goTo={goTo} /> }
}
