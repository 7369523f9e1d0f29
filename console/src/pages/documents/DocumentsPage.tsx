import { Link } from "@tanstack/react-router"
import { api } from "../../api/client"
import { Loaded } from "../../ui/Loaded"
import { Page, Section } from "../../ui/Page"
import { Table } from "../../ui/Table"
import { DOCUMENTS } from "./names"

export function DocumentsPage() {
  const campaigns = api.useQuery("get", "/v1/campaigns")
  return (
    <Page
      title="Documents"
      actions={
        <Link className="button" to="/documents/new">
          New campaign
        </Link>
      }
    >
      <Section title="Deployment">
        <Table
          caption="Documents of the deployment"
          rows={Object.entries(DOCUMENTS)}
          rowKey={([name]) => name}
          empty=""
          columns={[
            {
              label: "Document",
              cell: ([name]) => (
                <Link to="/documents/$name" params={{ name }}>
                  {name}
                </Link>
              ),
            },
            { label: "For", cell: ([, purpose]) => purpose },
          ]}
        />
      </Section>
      <Section title="Campaigns">
        <Loaded query={campaigns}>
          {({ campaigns }) => (
            <Table
              caption="Documents of campaigns"
              rows={campaigns}
              rowKey={({ key }) => key}
              empty="No campaign yet."
              columns={[
                {
                  label: "Campaign",
                  cell: ({ key, name }) => (
                    <Link to="/campaigns/$key" params={{ key }} search={{ tab: "document" }}>
                      {name}
                    </Link>
                  ),
                },
                { label: "Latest version", isNumber: true, cell: ({ latest_version }) => latest_version },
              ]}
            />
          )}
        </Loaded>
      </Section>
    </Page>
  )
}
