import { type FormEvent, useState } from "react"
import { api, type Schemas } from "../../api/client"
import { capitalize, words } from "../../format/words"
import { Badge } from "../../ui/Badge"
import { Data, MaskNotice } from "../../ui/Data"
import { CampaignLink, JourneyLink } from "../../ui/links"
import { Loaded } from "../../ui/Loaded"
import { Section } from "../../ui/Page"
import { toneOf } from "../../ui/states"
import { Table } from "../../ui/Table"
import { Time } from "../../ui/Time"
import type { PersonRef } from "./PersonPage"

type Question = Schemas["WhatIfRequest"]
type Effect = Schemas["ForeseenEffectView"]

/** The effects of an event if it came now. It stays out of the address, since its properties may be personal. */
export function PersonWhatIf({ person }: { person: PersonRef }) {
  const [question, setQuestion] = useState<Question>()
  const [fault, setFault] = useState<string>()
  const submit = (submitted: FormEvent<HTMLFormElement>) => {
    submitted.preventDefault()
    const given = new FormData(submitted.currentTarget)
    const properties = readProperties(String(given.get("properties")))
    setFault(properties === undefined ? 'The properties must be a JSON object, as {"value": 120}.' : undefined)
    if (properties !== undefined) setQuestion({ event: String(given.get("event")).trim(), properties })
  }
  return (
    <Section title="If an event came now">
      <form className="stack" onSubmit={submit}>
        <label className="field">
          Event
          <input name="event" required maxLength={255} placeholder="e.g. Cart Abandoned" />
        </label>
        <label className="field">
          Properties in JSON
          <textarea
            name="properties"
            rows={3}
            className="mono"
            spellCheck={false}
            placeholder="{}"
            aria-describedby={fault && "what-if-fault"}
            aria-invalid={fault !== undefined}
          />
        </label>
        {fault && (
          <p id="what-if-fault" className="notice bad" role="alert">
            {fault}
          </p>
        )}
        <div className="row">
          <button type="submit">Ask</button>
          <span className="soft">Nothing is reported or changed.</span>
        </div>
      </form>
      {question && <Foresight person={person} question={question} />}
    </Section>
  )
}

function readProperties(text: string): Question["properties"] | undefined {
  try {
    const read: unknown = JSON.parse(text.trim() || "{}")
    return typeof read === "object" && read !== null && !Array.isArray(read) ? { ...read } : undefined
  } catch {
    return undefined
  }
}

function Foresight({ person, question }: { person: PersonRef; question: Question }) {
  const foresight = api.useQuery(
    "post",
    "/v1/users/{user_id}/what-if",
    { params: { path: { user_id: person.id }, query: { kind: person.kind } }, body: question },
    { gcTime: 0, retry: false },
  )
  return (
    <Loaded query={foresight}>
      {({ at, due, effects, not_concerned, masked }) => (
        <>
          <MaskNotice of={{ masked }} />
          {due.length > 0 && (
            <p className="notice">
              Time has changed this person, and no worker has reported it yet: {due.join(", ")}. This change comes before
              the event, which finds the person so. Its own effects on campaigns are not shown.
            </p>
          )}
          <Table
            caption="Effects of the event"
            rows={effects}
            rowKey={(_, index) => index}
            empty="The event would do nothing to this person: no campaign listens for it."
            columns={[
              { label: "Campaign", cell: ({ campaign }) => <CampaignLink campaign={campaign} /> },
              { label: "Would be", cell: ({ kind }) => <Badge tone={toneOf(kind)}>{words(kind)}</Badge> },
              { label: "By", cell: ({ event }) => event },
              { label: "Why", cell: (effect) => <Why effect={effect} /> },
              { label: "First step", cell: ({ next }) => next && <First next={next} /> },
              { label: "First message, if due now", cell: ({ message }) => message && <Message message={message} /> },
            ]}
          />
          <p className="soft">
            As of <Time at={at} />
            {not_concerned.length > 0 && <>. Not concerned: {not_concerned.join(", ")}</>}
          </p>
        </>
      )}
    </Loaded>
  )
}

function Why({ effect: { reason, step, journey_id, data } }: { effect: Effect }) {
  return (
    <>
      {reason !== null && capitalize(words(reason))}
      {step !== null && <>Waits at {step}</>} {journey_id !== null && <JourneyLink id={journey_id} label="journey" />}
      {data !== null && Object.keys(data).length > 0 && <Data value={data} />}
    </>
  )
}

function First({ next: { step, status, until } }: { next: NonNullable<Effect["next"]> }) {
  return (
    <>
      {step} <span className="soft">{words(status)}</span> {until !== null && <Time at={until} />}
    </>
  )
}

function Message({ message }: { message: NonNullable<Effect["message"]> }) {
  const { step, channel, outcome, reason, until } = message
  return (
    <>
      <Badge tone={toneOf(outcome)}>{words(outcome)}</Badge> {step} <span className="soft">{channel}</span>{" "}
      {reason !== null && words(reason)} {until !== null && <Time at={until} />}
    </>
  )
}
