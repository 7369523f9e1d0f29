import { Link } from "@tanstack/react-router"
import { actingHeaders, api, http, type Schemas } from "../../api/client"
import { formatCount } from "../../format/number"
import { Action } from "../../ui/Action"
import { Loaded } from "../../ui/Loaded"

type Search = Record<string, string | undefined>
type Act = "exit" | "skip"

/** The selection of a bulk change; none where the filters say less or more than it can. */
function selectionOf({ state, outcome, campaign, version, ...given }: Search): Schemas["ManyRequest"] | undefined {
  if (campaign === undefined || outcome !== undefined || (state !== undefined && state !== "active")) return undefined
  return {
    ...(given as Partial<Schemas["ManyRequest"]>),
    campaign,
    dry_run: false,
    ...(version === undefined ? {} : { version: Number(version) }),
  }
}

/** Acts on all journeys that the filters select, once these name a campaign. */
export function ManyJourneys({ search }: { search: Search }) {
  const selection = selectionOf(search)
  if (selection === undefined) return null
  const mayWait = selection.status == null || selection.status === "waiting"
  return (
    <>
      {mayWait && (
        <Action
          label="Skip waits"
          title={`Skip the waits in ${selection.campaign}`}
          needs="operate"
          waits={<Progress />}
          effect={
            <>
              <Count act="skip" selection={selection} />
              <p>
                Each wait ends now, as if its time had come, and the journey goes on at the next step. Caps, windows and
                consent are asked as ever.
              </p>
            </>
          }
          run={(act) => change("skip", selection, act)}
        />
      )}
      <Action
        label="End journeys"
        title={`End journeys of ${selection.campaign}`}
        needs="operate"
        isDangerous
        waits={<Progress />}
        effect={
          <>
            <Count act="exit" selection={selection} />
            <p>They end where they are, and nothing more is sent by them. A message that is being sent settles.</p>
          </>
        }
        run={(act) => change("exit", selection, act)}
      />
    </>
  )
}

const bodyOf = (selection: Schemas["ManyRequest"], dry_run: boolean) =>
  ({ ...selection, dry_run }) as Schemas["ManyRequest"] & Schemas["SkipRequest"]

function change(change: Act, selection: Schemas["ManyRequest"], act: string) {
  return http.POST(`/v1/journeys/${change}`, { body: bodyOf(selection, false), headers: actingHeaders(act) })
}

/** How many journeys it would be now, counted anew each time that it is asked. */
function Count({ act, selection }: { act: Act; selection: Schemas["ManyRequest"] }) {
  const count = api.useQuery("post", `/v1/journeys/${act}`, { body: bodyOf(selection, true) }, { gcTime: 0 })
  return (
    <Loaded query={count}>
      {(counted) => (
        <p>
          <strong>{"journeys" in counted && formatCount(counted.journeys, "journey")}</strong> of{" "}
          {selection.campaign} fit the filters now.
        </p>
      )}
    </Loaded>
  )
}

function Progress() {
  return (
    <p>
      It is done page by page; <Link to="/operations">Operations</Link> shows how far it is.
    </p>
  )
}
