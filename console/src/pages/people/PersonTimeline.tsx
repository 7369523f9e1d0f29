import { api, PAGES } from "../../api/client"
import { Masked } from "../../ui/Data"
import { JourneyLink } from "../../ui/links"
import { Empty, Loaded } from "../../ui/Loaded"
import { More } from "../../ui/More"
import { Section } from "../../ui/Page"
import type { PersonRef } from "./PersonPage"
import { TimelineList } from "./TimelineList"

export function PersonTimeline({ person }: { person: PersonRef }) {
  const timeline = api.useInfiniteQuery(
    "get",
    "/v1/users/{user_id}/timeline",
    { params: { path: { user_id: person.id }, query: { kind: person.kind, limit: 50 } } },
    { ...PAGES, pageParamName: "before", refetchInterval: 10_000 },
  )
  return (
    <Loaded query={timeline}>
      {({ pages }) => {
        const now = pages[0]?.now ?? []
        const items = pages.flatMap(({ items }) => [...items].reverse())
        return (
          <>
            {now.length > 0 && (
              <Section title="Now">
                <ul className="card stack">
                  {now.map((each) => (
                    <li key={each.journey_id}>
                      {each.summary ?? each.step ?? <Masked />} <JourneyLink id={each.journey_id} label="journey" />
                    </li>
                  ))}
                </ul>
              </Section>
            )}
            <Section title="Timeline">
              {items.length === 0 ? <Empty>Nothing is recorded of this person yet.</Empty> : <TimelineList items={items} />}
              <More pages={timeline} />
            </Section>
          </>
        )
      }}
    </Loaded>
  )
}
