import { Link } from "@tanstack/react-router"

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
        {person.user_id}
      </Link>
    )
  }
  if (person.id === undefined) return <span className="soft">{person.anonymous_id ?? "anonymous"}</span>
  return (
    <Link to="/people/$id" params={{ id: person.id }} search={{ kind: "profile" }}>
      {person.anonymous_id ?? person.id}
    </Link>
  )
}

export function CampaignLink({ campaign, label }: { campaign: string; label?: string }) {
  return (
    <Link to="/campaigns/$key" params={{ key: campaign }}>
      {label ?? campaign}
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
      {label ?? segment}
    </Link>
  )
}
