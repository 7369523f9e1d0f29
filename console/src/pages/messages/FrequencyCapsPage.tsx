import { Link } from "@tanstack/react-router"
import { api } from "../../api/client"
import { Data } from "../../ui/Data"
import { Loaded } from "../../ui/Loaded"
import { Page, Section } from "../../ui/Page"
import { Table } from "../../ui/Table"
import { CapPressure } from "./CapPressure"

export function FrequencyCapsPage() {
  const caps = api.useQuery("get", "/v1/frequency-caps")
  return (
    <Page
      title="Frequency caps"
      actions={
        <Link className="button" to="/documents/$name" params={{ name: "frequency-caps" }}>
          Edit caps
        </Link>
      }
    >
      <Loaded query={caps}>
        {({ rules, version }) => (
          <Section title="Rules" aside={version > 0 && <span className="soft">version {version}</span>}>
            <Table
              caption="Caps"
              rows={rules as Record<string, unknown>[]}
              rowKey={(_, index) => index}
              empty="No cap is in force: every campaign may write to a person as often as it likes."
              columns={[
                { label: "Cap", cell: ({ name }) => String(name) },
                {
                  label: "Rule",
                  cell: ({ name: _, ...rule }) => <Data value={rule} />,
                },
              ]}
            />
          </Section>
        )}
      </Loaded>
      <CapPressure />
    </Page>
  )
}
