import { useQueryClient } from "@tanstack/react-query"
import { getRouteApi, Link } from "@tanstack/react-router"
import { actingHeaders, api, http, nameAct, type Schemas } from "../../api/client"
import { words } from "../../format/words"
import { Badge } from "../../ui/Badge"
import { RuleChanges } from "./RuleChanges"
import { Empty, Loaded } from "../../ui/Loaded"
import { Page } from "../../ui/Page"
import { refreshAfterAct } from "../../ui/refresh"
import { DocumentEditor } from "./DocumentEditor"
import type { Files } from "./files"
import { DOCUMENTS, type DocumentName, isDocumentName } from "./names"

const route = getRouteApi("/documents/$name")

export function DeploymentDocumentPage() {
  const { name } = route.useParams()
  if (!isDocumentName(name)) {
    return (
      <Page title={name}>
        <Empty>There is no such document of the deployment.</Empty>
      </Page>
    )
  }
  return <DeploymentDocument name={name} />
}

function DeploymentDocument({ name }: { name: DocumentName }) {
  const queries = useQueryClient()
  const document = api.useQuery("get", `/v1/${name}`)
  const file = `${name}.yaml`
  return (
    <Loaded query={document} title={words(name)}>
      {({ source, version }: Schemas["Document"]) => (
        <Page
          title={words(name)}
          crumb={<Link to="/documents">Documents</Link>}
          aside={<Badge>{version === 0 ? "the initial one" : `version ${version}`}</Badge>}
        >
          <p className="soft">{DOCUMENTS[name]}</p>
          <DocumentEditor
            key={name}
            version={version}
            initial={{ [file]: source }}
            schemaName={name}
            plan={(files) => planDocument(name, file, files)}
            applied={() => void refreshAfterAct(queries)}
          />
        </Page>
      )}
    </Loaded>
  )
}

async function planDocument(name: DocumentName, file: string, files: Files) {
  const body = { file, source: files[file] ?? "" }
  const { data, error } = await http.POST(`/v1/${name}/plan`, { body })
  if (data === undefined) return { error }
  const headers = actingHeaders(nameAct(), data.version)
  const apply = () => http.PUT(`/v1/${name}`, { body, headers })
  return { planned: { summary: <RuleChanges plan={data} />, apply } }
}
