import { Link } from "@tanstack/react-router"
import { api, type Schemas } from "../../api/client"
import { formatNumber } from "../../format/number"
import { Cut } from "../../ui/Cut"
import { CampaignLink } from "../../ui/links"
import { Loaded } from "../../ui/Loaded"
import { Page } from "../../ui/Page"
import { type Column, Table } from "../../ui/Table"
import { Time } from "../../ui/Time"

const COLUMNS: Column<Schemas["SurveyView"]>[] = [
  {
    label: "Survey",
    cell: ({ template }) => (
      <Link to="/surveys/$template" params={{ template }}>
        <Cut text={template} />
      </Link>
    ),
  },
  { label: "Campaign", cell: ({ campaign }) => <CampaignLink campaign={campaign} /> },
  { label: "Questions", cell: ({ questions }) => questions.map(({ id, type }) => `${id} (${type})`).join(", ") },
  { label: "Answered in 30 days", isNumber: true, cell: ({ answered }) => formatNumber(answered) },
  { label: "Last answer", cell: ({ last_answer_at }) => <Time at={last_answer_at} /> },
]

export function SurveysPage() {
  const surveys = api.useQuery("get", "/v1/surveys")
  return (
    <Page title="Surveys">
      <Loaded query={surveys}>
        {({ surveys }) => (
          <Table
            caption="Surveys"
            columns={COLUMNS}
            rows={surveys}
            rowKey={({ template, campaign }) => `${template} ${campaign}`}
            empty="No campaign asks questions yet. A template with `questions` is a survey."
          />
        )}
      </Loaded>
    </Page>
  )
}
