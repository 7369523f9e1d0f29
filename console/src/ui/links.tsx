import { Link } from "@tanstack/react-router"
import { Cut } from "./Cut"

interface PersonIds {
  user_id: string | null
  anonymous_id?: string | null
  id?: string
}

/** A person by the id that is known: the user id, else Sojourn's own of the profile. */
export function PersonLink({ person }: { person: PersonIds }) {
  if (person.user_id !== null) {
    return (
      <Link to="/people/$id" params={{ id: person.user_id }}>
        <Cut text={person.user_id} />
      </Link>
    )
  }
  if (person.id === undefined) return <Anonymous id={person.anonymous_id} />
  return (
    <Link to="/people/$id" params={{ id: person.id }} search={{ kind: "profile" }}>
      <Cut text={person.anonymous_id ?? person.id} />
    </Link>
  )
}

const Anonymous = ({ id }: { id?: string | null }) => (
  <span className="soft">
    <Cut text={id ?? "anonymous"} />
  </span>
)

export function CampaignLink({ campaign, label }: { campaign: string; label?: string }) {
  return (
    <Link to="/campaigns/$key" params={{ key: campaign }}>
      <Cut text={label ?? campaign} />
    </Link>
  )
}

export function JourneyLink({ id, label }: { id: string; label?: string }) {
  return (
    <Link to="/journeys/$id" params={{ id }}>
      {label ?? id.slice(-8)}
    </Link>
  )
}

export function SegmentLink({ segment, label }: { segment: string; label?: string }) {
  return (
    <Link to="/segments/$key" params={{ key: segment }}>
      <Cut text={label ?? segment} />
    </Link>
  )
}
