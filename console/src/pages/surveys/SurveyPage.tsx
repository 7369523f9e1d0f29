import { getRouteApi, Link } from "@tanstack/react-router"
import { api, PAGES, type Schemas } from "../../api/client"
import { formatNumber, formatShare } from "../../format/number"
import { Masked, MaskNotice } from "../../ui/Data"
import { Share } from "../../ui/Chart"
import { PersonLink } from "../../ui/links"
import { Empty, Loaded } from "../../ui/Loaded"
import { More } from "../../ui/More"
import { Nothing } from "../../ui/Nothing"
import { Figures, Page, Section } from "../../ui/Page"
import { Table } from "../../ui/Table"
import { Time } from "../../ui/Time"

const route = getRouteApi("/surveys/$template")

type Results = Schemas["QuestionResults"]
type Bounds = Schemas["Bounds"]

const interval = ({ value, low, high }: Bounds, format: (value: number) => string) => (
  <span title="with its interval of 95 %">
    {format(value)} <span className="soft small">{`${format(low)} to ${format(high)}`}</span>
  </span>
)

export function SurveyPage() {
  const { template } = route.useParams()
  const results = api.useQuery("get", "/v1/surveys/{template}/results", { params: { path: { template } } })
  return (
    <Page title={template} crumb={<Link to="/surveys">Surveys</Link>}>
      <Loaded query={results}>
        {({ groups }) =>
          groups.length === 0 ? (
            <Empty>The survey was shown to no one yet. Its results are counted by question once it is.</Empty>
          ) : groups.map((group) => (
            <div key={group.group} className="page">
              <Figures
                of={[
                  ["Shown", formatNumber(group.shown)],
                  ["Answered", formatNumber(group.answered)],
                  ["Rate", group.response_rate ? interval(group.response_rate, formatShare) : <Nothing key="rate" />],
                ]}
              />
              {group.questions.map((question) => (
                <Question key={question.question} results={question} />
              ))}
            </div>
          ))
        }
      </Loaded>
      <Texts template={template} />
    </Page>
  )
}

const fixed = (value: number) => value.toFixed(1)

function Question({ results }: { results: Results }) {
  const { question, type, answers, nps, csat, mean, distribution } = results
  return (
    <Section title={question} aside={<span className="soft">{`${type}, ${formatNumber(answers)} answers`}</span>}>
      <Figures
        of={[
          ...(nps ? [["NPS", interval(nps, fixed)] as [string, React.ReactNode]] : []),
          ...(csat ? [["Satisfied", interval(csat, formatShare)] as [string, React.ReactNode]] : []),
          ...(mean ? [["Mean", interval(mean, fixed)] as [string, React.ReactNode]] : []),
        ]}
      />
      {type !== "text" && (
        <Table
          caption={`Answers to ${question}`}
          rows={distribution}
          rowKey={({ value }) => value}
          empty="No answer yet."
          columns={[
            { label: "Answer", cell: ({ value }) => value },
            { label: "Answers", isNumber: true, cell: ({ answers }) => formatNumber(answers) },
            { label: "Share", cell: ({ share }) => <Share share={share.value} /> },
          ]}
        />
      )}
    </Section>
  )
}

function Texts({ template }: { template: string }) {
  const texts = api.useInfiniteQuery(
    "get",
    "/v1/surveys/{template}/texts",
    { params: { path: { template }, query: { limit: 50 } } },
    PAGES,
  )
  return (
    <Section title="Texts">
      <Loaded query={texts}>
        {({ pages }) => (
          <>
            {pages[0] && <MaskNotice of={pages[0]} />}
            <Table
              caption="Texts"
              rows={pages.flatMap(({ texts }) => texts)}
              rowKey={({ message_id, question }) => `${message_id} ${question}`}
              empty="No one has written a text."
              columns={[
                { label: "Text", cell: ({ text }) => text ?? <Masked /> },
                { label: "Question", cell: ({ question }) => question },
                {
                  label: "Person",
                  cell: ({ user_id, anonymous_id, profile_id }) => (
                    <PersonLink person={{ user_id, anonymous_id, id: profile_id }} />
                  ),
                },
                { label: "When", cell: ({ at }) => <Time at={at} /> },
              ]}
            />
          </>
        )}
      </Loaded>
      <More pages={texts} />
    </Section>
  )
}
