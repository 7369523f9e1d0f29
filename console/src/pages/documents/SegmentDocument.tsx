import { useQueryClient } from "@tanstack/react-query"
import { actingHeaders, http, nameAct, type Schemas } from "../../api/client"
import { refreshAfterAct } from "../../ui/refresh"
import { DocumentEditor } from "./DocumentEditor"
import type { Files } from "./files"
import { SegmentPlanSummary } from "./SegmentPlanSummary"

/** The document of a segment, to change. */
export function SegmentDocument({ segment: { key, version, source } }: { segment: Schemas["Segment"] }) {
  const queries = useQueryClient()
  const file = `${key}.yaml`
  return (
    <DocumentEditor
      key={key}
      version={version}
      initial={{ [file]: source }}
      schemaName="segment"
      plan={(files) => planSegment(file, files)}
      applied={() => void refreshAfterAct(queries)}
    />
  )
}

/** The plan of the one segment that a file describes. */
export async function planSegment(file: string, files: Files) {
  const body = { file, source: files[file] ?? "" }
  const segments = [body]
  const { data, error } = await http.POST("/v1/segments/plan", { body: { segments, removed: [] } })
  const planned = data?.segments.find(({ kind }) => kind !== "removed")
  if (data === undefined || planned === undefined) return { error }
  const headers = actingHeaders(nameAct())
  const apply = () => http.POST("/v1/segments/apply", { headers, body: { segments, plan: data.hash } })
  return { key: planned.key, planned: { summary: <SegmentPlanSummary planned={planned} warnings={data.warnings} />, apply } }
}
