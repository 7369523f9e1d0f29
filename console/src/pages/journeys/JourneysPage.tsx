import { getRouteApi } from "@tanstack/react-router"
import { api, PAGES } from "../../api/client"
import { Filters } from "../../ui/Filters"
import { Loaded } from "../../ui/Loaded"
import { More } from "../../ui/More"
import { Page } from "../../ui/Page"
import { JourneyTable } from "./JourneyTable"
import { ManyJourneys } from "./ManyJourneys"

const route = getRouteApi("/journeys")
const STATES = ["active", "completed", "exited"] as const
const STATUSES = ["waiting", "deferred", "held", "acting"] as const

export function JourneysPage() {
  const search = route.useSearch()
  const journeys = api.useInfiniteQuery(
    "get",
    "/v1/journeys",
    { params: { query: { ...search, limit: 50 } as never } },
    PAGES,
  )
  return (
    <Page title="Journeys" actions={<ManyJourneys search={search} />}>
      <Filters
        search={search}
        filters={[
          { name: "campaign", label: "Campaign", placeholder: "e.g. win-back" },
          { name: "user", label: "User", placeholder: "e.g. u-4711" },
          { name: "step", label: "Step" },
          { name: "state", label: "State", options: STATES },
          { name: "status", label: "Status", options: STATUSES },
          { name: "outcome", label: "Outcome" },
          { name: "version", label: "Version" },
          { name: "entered_after", label: "Entered since (UTC)", type: "instant" },
          { name: "entered_before", label: "Entered before", type: "instant" },
        ]}
      />
      <Loaded query={journeys}>
        {({ pages }) => (
          <JourneyTable
            journeys={pages.flatMap(({ journeys }) => journeys)}
            empty="No journey fits. Clear a filter, or look in the person's timeline for why they did not enter."
          />
        )}
      </Loaded>
      <More pages={journeys} />
    </Page>
  )
}
