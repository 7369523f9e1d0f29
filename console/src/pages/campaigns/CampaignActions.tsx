import { actingHeaders, api, http, type Schemas } from "../../api/client"
import { formatCount, formatNumber } from "../../format/number"
import { Action } from "../../ui/Action"

type Campaign = Schemas["Campaign"]

/** The transitions that the state of a campaign allows, each with what it will do. */
export function CampaignActions({ campaign }: { campaign: Campaign }) {
  switch (campaign.state) {
    case "draft":
    case "ended":
      return <Start campaign={campaign} />
    case "scheduled":
      return <Stop campaign={campaign} />
    case "running":
      return (
        <>
          <Pause campaign={campaign} />
          <Stop campaign={campaign} />
        </>
      )
    case "paused":
      return (
        <>
          <Resume campaign={campaign} />
          <Stop campaign={campaign} />
        </>
      )
    case "stopping":
    case "archived":
      return null
  }
}

function callOf({ key, revision }: Campaign, act: string) {
  return { params: { path: { key } }, headers: actingHeaders(act, revision) }
}

const WAITS =
  "It may reach more people than one person may decide about: it waits until another person approves it, under Approvals."

const inFlight = ({ active_journeys }: Campaign) => formatCount(active_journeys, "journey")

function Start({ campaign }: { campaign: Campaign }) {
  return (
    <Action
      label="Start"
      title={`Start ${campaign.name}`}
      needs="operate"
      waits={WAITS}
      effect={
        <>
          <p>
            Version {campaign.latest_version} takes effect, now or when its schedule begins: people enter by its events,
            those of an audience at once or on its days, and messages are sent.
          </p>
          <ForeseenReach campaign={campaign} action="start" />
        </>
      }
      run={(act) => http.POST("/v1/campaigns/{key}/start", callOf(campaign, act))}
    />
  )
}

/** How many people it may reach, and that it will wait, before it is asked for. */
function ForeseenReach({ campaign: { key }, action }: { campaign: Campaign; action: "start" | "resume" }) {
  const { data, error } = api.useQuery("get", "/v1/campaigns/{key}/reach", {
    params: { path: { key }, query: { action } },
  })
  if (error !== null) return <p className="soft">How many people it may reach is not known now.</p>
  if (data === undefined) return <p role="status">Counting the people that it may reach…</p>
  const people = formatCount(data.people, "person", "people")
  return data.approval === null ? (
    <p role="status">It may reach up to {people}; no approval is needed.</p>
  ) : (
    <p className="notice warn" role="status">
      It will wait for another person&apos;s approval: it may reach up to {people}, more than{" "}
      {formatNumber(data.approval.above)}.
    </p>
  )
}

function Pause({ campaign }: { campaign: Campaign }) {
  return (
    <Action
      label="Pause"
      title={`Pause ${campaign.name}`}
      needs="operate"
      effect={
        <p>
          No message is sent until you resume: each journey is held at its next one. {inFlight(campaign)} in flight: their
          waits go on, and further people enter. Messages that were handed to a provider are not called back.
        </p>
      }
      run={(act) => http.POST("/v1/campaigns/{key}/pause", callOf(campaign, act))}
    />
  )
}

function Resume({ campaign }: { campaign: Campaign }) {
  return (
    <Action
      label="Resume"
      title={`Resume ${campaign.name}`}
      needs="operate"
      waits={WAITS}
      effect={
        <>
          <p>
            Messages are sent again, and the journeys that the pause holds go on: {inFlight(campaign)} in flight. A message
            whose time has passed meanwhile is not sent.
          </p>
          <ForeseenReach campaign={campaign} action="resume" />
        </>
      }
      run={(act) => http.POST("/v1/campaigns/{key}/resume", callOf(campaign, act))}
    />
  )
}

function Stop({ campaign }: { campaign: Campaign }) {
  return (
    <Action
      label="Stop"
      title={`Stop ${campaign.name}`}
      needs="operate"
      isDangerous
      effect={<p>No further person enters. {inFlight(campaign)} in flight:</p>}
      fields={
        <fieldset className="stack">
          <label>
            <input type="radio" name="mode" value="drain" defaultChecked /> They go on to their ends, with their messages
          </label>
          <label>
            <input type="radio" name="mode" value="exit" /> They end now, and nothing more is sent
          </label>
        </fieldset>
      }
      run={(act, form) =>
        http.POST("/v1/campaigns/{key}/stop", {
          ...callOf(campaign, act),
          body: { mode: form.get("mode") === "exit" ? "exit" : "drain" },
        })
      }
    />
  )
}
