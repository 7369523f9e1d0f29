import { useQueryClient } from "@tanstack/react-query"
import { Link, useNavigate } from "@tanstack/react-router"
import { useRef } from "react"
import { Page } from "../../ui/Page"
import { refreshAfterAct } from "../../ui/refresh"
import { DocumentEditor } from "./DocumentEditor"
import { planSegment } from "./SegmentDocument"

const FILE = "segment.yaml"
const STARTER = `key: my-segment
name: My segment
where: profile.traits.plan == "pro"
`

export function NewSegmentPage() {
  const navigate = useNavigate()
  const queries = useQueryClient()
  const key = useRef("")
  return (
    <Page title="New segment" crumb={<Link to="/segments">Segments</Link>}>
      <DocumentEditor
        initial={{ [FILE]: STARTER }}
        schemaName="segment"
        plan={async (files) => {
          const answer = await planSegment(FILE, files)
          key.current = answer.key ?? ""
          return answer
        }}
        applied={() => {
          void refreshAfterAct(queries)
          void navigate({ to: "/segments/$key", params: { key: key.current } })
        }}
      />
    </Page>
  )
}
