import { useQueryClient } from "@tanstack/react-query"
import { Link, useNavigate } from "@tanstack/react-router"
import { useRef } from "react"
import { Page } from "../../ui/Page"
import { drawCampaign, planCampaign } from "./CampaignDocument"
import { DocumentEditor } from "./DocumentEditor"

const FILE = "campaign.yaml"
const STARTER = `key: my-campaign
name: My campaign
entry:
  event: Signed Up
steps:
  - id: rest
    delay: 1d
`

/** The key that a document gives itself; the plan says where it is wrong. */
const keyOf = (source: string): string => /^key:\s*['"]?([^\s'"#]+)/m.exec(source)?.[1] ?? "my-campaign"

export function NewCampaignPage() {
  const navigate = useNavigate()
  const queries = useQueryClient()
  const key = useRef("")
  return (
    <Page title="New campaign" crumb={<Link to="/documents">Documents</Link>}>
      <DocumentEditor
        initial={{ [FILE]: STARTER }}
        schemaName="campaign"
        plan={(files) => {
          key.current = keyOf(files[FILE] ?? "")
          return planCampaign(key.current, files)
        }}
        draw={(files) => drawCampaign(keyOf(files[FILE] ?? ""), files)}
        takesTemplates
        applied={() => {
          void queries.invalidateQueries()
          void navigate({ to: "/campaigns/$key", params: { key: key.current } })
        }}
      />
    </Page>
  )
}
