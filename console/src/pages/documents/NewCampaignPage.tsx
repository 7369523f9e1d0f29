import { useQueryClient } from "@tanstack/react-query"
import { Link, useNavigate } from "@tanstack/react-router"
import { useRef } from "react"
import { Page } from "../../ui/Page"
import { refreshAfterAct } from "../../ui/refresh"
import { drawCampaign, planCampaign } from "./CampaignDocument"
import { DocumentEditor } from "./DocumentEditor"
import { SendTest } from "./SendTest"
import { MAIL } from "./starters"

const FILE = "campaign.yaml"
const STARTER = `key: my-campaign
name: My campaign
entry:
  event: Signed Up
steps:
  - id: rest
    delay: 1d
  - id: welcome
    send: {channel: email, template: welcome, category: marketing}
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
        initial={{ [FILE]: STARTER, "welcome.liquid": MAIL }}
        schemaName="campaign"
        plan={(files) => {
          key.current = keyOf(files[FILE] ?? "")
          return planCampaign(key.current, files)
        }}
        draw={(files) => drawCampaign(keyOf(files[FILE] ?? ""), files)}
        takesTemplates
        actions={(files, steps) => <SendTest files={files} steps={steps} />}
        applied={() => {
          void refreshAfterAct(queries)
          void navigate({ to: "/campaigns/$key", params: { key: key.current } })
        }}
      />
    </Page>
  )
}
