import { actingHeaders, api, http, type Schemas } from "../../api/client"
import { words } from "../../format/words"
import { Action } from "../../ui/Action"
import { Badge } from "../../ui/Badge"
import { Data, Masked } from "../../ui/Data"
import { Empty, Loaded } from "../../ui/Loaded"
import { Section } from "../../ui/Page"
import { Table } from "../../ui/Table"
import { Time } from "../../ui/Time"
import type { PersonRef } from "./PersonPage"

type User = Schemas["User"]

const isAllowed = (allowed: boolean, refusal: string | null) => (
  <>
    <Badge tone={allowed ? "good" : "bad"}>{allowed ? "allowed" : "refused"}</Badge>{" "}
    {refusal !== null && <span className="soft small">{words(refusal)}</span>}
  </>
)

export function PersonConsent({ user, person }: { user: User; person: PersonRef }) {
  const isMasked = user.masked === true
  const topics = Object.entries(user.topics).flatMap(([topic, channels]) =>
    Object.entries(channels).map(([channel, view]) => ({ topic, channel, ...view })),
  )
  return (
    <>
      <Section title="Channels">
        <Table
          caption="Consent by channel"
          rows={Object.entries(user.consent)}
          rowKey={([channel]) => channel}
          empty="The deployment has no channel that needs consent."
          columns={[
            { label: "Channel", cell: ([channel]) => channel },
            { label: "Marketing", cell: ([, { is_allowed, refusal }]) => isAllowed(is_allowed, refusal) },
            { label: "Address", cell: ([, { address }]) => <Data value={address} isMasked={isMasked} /> },
            { label: "Stated", cell: ([, { given }]) => given && String(given.value) },
            {
              label: "Suppressed",
              cell: ([channel, consent]) => {
                const refusals = listRefusals(consent)
                return (
                  refusals.length > 0 && (
                    <div className="row">
                      <RefusalList refusals={refusals} isMasked={isMasked} />
                      {consent.can_lift && (
                        <LiftSuppression person={person} channel={channel} refusals={refusals} isMasked={isMasked} />
                      )}
                    </div>
                  )
                )
              },
            },
          ]}
        />
      </Section>
      <Section title="Topics">
        <Table
          caption="Subscriptions"
          rows={topics}
          rowKey={({ topic, channel }) => `${topic} ${channel}`}
          empty="The deployment has no topics."
          columns={[
            { label: "Topic", cell: ({ topic }) => topic },
            { label: "Channel", cell: ({ channel }) => channel },
            { label: "Messages", cell: ({ is_allowed, refusal }) => isAllowed(is_allowed, refusal) },
            { label: "State", cell: ({ state }) => state ?? <span className="soft">nothing said</span> },
          ]}
        />
      </Section>
      <Holds person={person} />
      <Section title="Changes">
        <Table
          caption="Changes of consent"
          rows={user.consent_log}
          rowKey={(_, index) => index}
          empty="Consent never changed."
          columns={[
            { label: "When", cell: ({ at }) => <Time at={at} /> },
            { label: "Part", cell: ({ part }) => words(part) },
            { label: "By", cell: ({ source, source_name }) => `${source} ${source_name ?? ""}` },
            { label: "Change", cell: ({ changes }) => <Data value={changes} isMasked={isMasked} /> },
          ]}
        />
      </Section>
    </>
  )
}

interface StatedRefusal {
  of: string
  stated: NonNullable<Schemas["ChannelConsent"]["suppressed"]>
}

const KINDS: Record<string, string> = { suppression: "the address", stop: "STOP of the address", opt_out: "opt-out of the address" }

/** The refusals of a channel: by the profile, and by its address unless one statement has made both. */
function listRefusals({ suppressed, address_refusals }: Schemas["ChannelConsent"]): StatedRefusal[] {
  const ofAddress = Object.entries(address_refusals).filter(
    ([kind, { at, by }]) => kind !== "suppression" || suppressed === null || suppressed.at !== at || suppressed.by !== by,
  )
  return [
    ...(suppressed === null ? [] : [{ of: "the person", stated: suppressed }]),
    ...ofAddress.map(([kind, stated]) => ({ of: KINDS[kind] ?? words(kind.replace(".", " of ")), stated })),
  ]
}

function RefusalList({ refusals, isMasked }: { refusals: StatedRefusal[]; isMasked: boolean }) {
  return (
    <ul>
      {refusals.map(({ of, stated: { value, at, source, by } }) => (
        <li key={of}>
          {of}: <Data value={value} isMasked={isMasked} />{" "}
          <span className="soft small">
            <Time at={at} /> by {[source, by].filter(Boolean).join(" ") || "an unknown source"}
          </span>
        </li>
      ))}
    </ul>
  )
}

function LiftSuppression({
  person,
  channel,
  refusals,
  isMasked,
}: {
  person: PersonRef
  channel: string
  refusals: StatedRefusal[]
  isMasked: boolean
}) {
  return (
    <Action
      label="Lift"
      title={`Lift the suppression of ${channel}`}
      needs="operate"
      effect={
        <>
          <p>
            Messages by {channel} to {person.id} are sent again where their consent allows it. Messages that were refused
            meanwhile are not sent later.
          </p>
          {refusals.some(({ of }) => of === KINDS.stop) && <p>The STOP stays: only a START of its sender lifts it.</p>}
          <RefusalList refusals={refusals} isMasked={isMasked} />
        </>
      }
      run={(act) =>
        http.DELETE("/v1/users/{user_id}/suppressions/{channel}", {
          params: { path: { user_id: person.id, channel }, query: person.kind ? { kind: person.kind } : {} },
          headers: actingHeaders(act),
        })
      }
    />
  )
}

function Holds({ person }: { person: PersonRef }) {
  const holds = api.useQuery("get", "/v1/holds", { params: { query: { user: person.id, kind: person.kind } } })
  return (
    <Section title="Holds">
      <Loaded query={holds}>
        {({ holds }) =>
          holds.length === 0 ? (
            <Empty>Nothing holds the messages to this person.</Empty>
          ) : (
            <ul className="card stack">
              {holds.map(({ id, reason, until, placed_by, state }) => (
                <li key={id}>
                  <Badge tone={state === "open" ? "warn" : "plain"}>{state}</Badge> {reason ?? <Masked />} <Time at={until} />{" "}
                  <span className="soft">by {placed_by}</span>
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </Section>
  )
}
