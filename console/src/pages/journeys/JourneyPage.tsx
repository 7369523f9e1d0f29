import { getRouteApi, Link } from "@tanstack/react-router"
import { actingHeaders, api, http, type Schemas } from "../../api/client"
import { words } from "../../format/words"
import { Action } from "../../ui/Action"
import { Badge } from "../../ui/Badge"
import { MaskNotice } from "../../ui/Data"
import { CampaignLink, PersonLink } from "../../ui/links"
import { Loaded } from "../../ui/Loaded"
import { Figures, Page, Section } from "../../ui/Page"
import { toneOf } from "../../ui/states"
import { ExactTime, Time } from "../../ui/Time"
import { TimelineList } from "../people/TimelineList"

type Story = Schemas["JourneyStory"]

const route = getRouteApi("/journeys/$id")

export function JourneyPage() {
  const { id } = route.useParams()
  const story = api.useQuery("get", "/v1/journeys/{id}", { params: { path: { id } } }, { refetchInterval: 5_000 })
  return <Loaded query={story} title="Journey">{(journey) => <JourneyStory journey={journey} />}</Loaded>
}

function JourneyStory({ journey }: { journey: Story }) {
  const state = journey.status ?? journey.outcome ?? journey.state
  return (
    <Page
      title={`Journey ${journey.id.slice(-8)}`}
      crumb={
        <>
          <CampaignLink campaign={journey.campaign} /> · version {journey.version}
        </>
      }
      aside={<Badge tone={toneOf(state)}>{words(state)}</Badge>}
      actions={
        <>
          <a className="button" href={journey.url} target="_blank" rel="noreferrer">
            Temporal UI ↗
          </a>
          {journey.state === "active" && <JourneyActions journey={journey} />}
        </>
      }
    >
      <MaskNotice of={journey} />
      <Figures
        of={[
          ["Person", <PersonLink key="person" person={journey} />],
          [journey.state === "active" ? "Is at" : "Was last at", <Position key="position" journey={journey} />],
          ["Entered", <Time key="entered" at={journey.entered_at} />],
          journey.state === "active"
            ? ["Goes on", <NextTimer key="next" journey={journey} />]
            : ["Ended", <Time key="ended" at={journey.ended_at} />],
        ]}
      />
      <Section title="Story">
        <TimelineList items={[...journey.timeline].reverse()} isOfJourney />
      </Section>
    </Page>
  )
}

/** Where it is in its document. */
function Position({ journey: { campaign, step, version } }: { journey: Story }) {
  return (
    <Link
      to="/campaigns/$key"
      params={{ key: campaign }}
      search={{ version: String(version), step: step ?? undefined }}
    >
      {step ?? "its entry"}
    </Link>
  )
}

/** When it goes on by itself: by the clock of the reader, and by that of the person. */
function NextTimer({ journey }: { journey: Story }) {
  if (journey.wakes_at === null) return <span className="soft">when something happens</span>
  return (
    <>
      <Time at={journey.wakes_at} />
      <div className="small soft">
        <ExactTime at={journey.wakes_at} /> here
        <br />
        <ExactTime at={journey.wakes_at} zone={journey.zone} /> in {journey.zone}
      </div>
    </>
  )
}

function JourneyActions({ journey }: { journey: Story }) {
  const call = (act: string) => ({ params: { path: { id: journey.id } }, headers: actingHeaders(act) })
  return (
    <>
      {journey.status === "waiting" && (
        <Action
          label="Skip wait"
          title="Skip the wait"
          needs="operate"
          effect={
            <p>
              The wait at <code>{journey.step}</code> ends now, as if its time had come; the journey goes on at the next
              step. Caps, windows and consent are asked as ever.
            </p>
          }
          run={(act) => http.POST("/v1/journeys/{id}/skip", call(act))}
        />
      )}
      <Action
        label="End"
        title="End the journey"
        needs="operate"
        isDangerous
        effect={
          <p>
            The journey ends at <code>{journey.step ?? "its entry"}</code>, and nothing more is sent by it. The person may
            enter again where the campaign allows it.
          </p>
        }
        run={(act) => http.POST("/v1/journeys/{id}/exit", call(act))}
      />
    </>
  )
}
