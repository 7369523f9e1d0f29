import { getRouteApi, Link } from "@tanstack/react-router"
import { api, type Schemas } from "../../api/client"
import { Badge } from "../../ui/Badge"
import { MaskNotice } from "../../ui/Data"
import { Loaded } from "../../ui/Loaded"
import { Figures, Page } from "../../ui/Page"
import { Tabs } from "../../ui/Tabs"
import { Time } from "../../ui/Time"
import { PersonActivity } from "./PersonActivity"
import { PersonConsent } from "./PersonConsent"
import { PersonProfile } from "./PersonProfile"
import { PersonSegments } from "./PersonSegments"
import { PersonTimeline } from "./PersonTimeline"
import { PersonWhatIf } from "./PersonWhatIf"

const route = getRouteApi("/people/$id")

const TABS = {
  timeline: "Timeline",
  profile: "Profile",
  consent: "Consent",
  segments: "Segments",
  activity: "Activity",
  "what-if": "What-if",
} as const
type Tab = keyof typeof TABS

/** The person that the page is about: an id, and its kind unless that is a user id. */
export interface PersonRef {
  id: string
  kind: string | undefined
}

export function PersonPage() {
  const { id } = route.useParams()
  const { kind, tab } = route.useSearch()
  const user = api.useQuery("get", "/v1/users/{user_id}", { params: { path: { user_id: id }, query: { kind } } })
  const shown: Tab = tab !== undefined && Object.hasOwn(TABS, tab) ? (tab as Tab) : "timeline"
  return (
    <Loaded query={user} title={id}>
      {(user) => (
        <Page
          title={user.user_id ?? id}
          crumb={<Link to="/people">People</Link>}
          aside={user.stage && <Badge tone="accent">{String(user.stage.value)}</Badge>}
        >
          <MaskNotice of={user} />
          <Figures
            of={[
              ["Known since", <Time key="since" at={user.created_at} />],
              ["Seen last", <Time key="seen" at={user.activity.last_seen} />],
              ["Sessions", user.activity.sessions],
              [
                "In flight",
                <Link key="flight" to="/journeys" search={{ user: user.user_id ?? id, state: "active" }}>
                  {user.active_journeys.length}
                </Link>,
              ],
              ["Segments", user.segments.length],
            ]}
          />
          <Tabs
            label="Parts of the person"
            tabs={TABS}
            current={shown}
            search={(name) => ({ kind, tab: name === "timeline" ? undefined : name })}
          />
          <PersonTab tab={shown} user={user} person={{ id, kind }} />
        </Page>
      )}
    </Loaded>
  )
}

function PersonTab({ tab, user, person }: { tab: Tab; user: Schemas["User"]; person: PersonRef }) {
  switch (tab) {
    case "timeline":
      return <PersonTimeline person={person} />
    case "profile":
      return <PersonProfile user={user} />
    case "consent":
      return <PersonConsent user={user} person={person} />
    case "segments":
      return <PersonSegments user={user} person={person} />
    case "activity":
      return <PersonActivity user={user} />
    case "what-if":
      return <PersonWhatIf person={person} />
  }
}
