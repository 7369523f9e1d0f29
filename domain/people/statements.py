"""Statements about people in a batch of events, to be folded into profiles."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from msgspec.structs import asdict

from domain.channels.kinds import normalized_addresses
from domain.people.places.location import LOCATION, read_point
from domain.people.profile_state import Proof, Source, SourceKind, Statement
from domain.people.registers import Stamp, stamp, unverified_stamp
from domain.people.surroundings import read_surroundings
from domain.people.topics.subscription import PACE, SubscriptionRef, registers_of
from domain.tracking.event import OUR_CONTEXT, Event, Trust
from domain.tracking.traits import CONSENT, TOPICS

# The sources whose subscriptions need no confirmation: an operator vouches for them.
_VOUCHED: Final[frozenset[SourceKind]] = frozenset({"operator", "import"})
# The name of a form, and the version of a wording, are cut to this.
MAX_PROOF_CHARACTERS: Final = 200
BEFORE_EVERYTHING = datetime.min.replace(tzinfo=UTC)


def event_source(event: Event) -> Source:
    """Return an event, or the operator who reported it, as a source."""
    ours = event.context.get(OUR_CONTEXT, {})
    proof = _read_proof(event)
    if "by" in ours:
        return Source("import" if "import" in ours else "operator", str(event.id), event.timestamp, ours["by"], proof)
    return Source("event", str(event.id), event.timestamp, event.source, proof)


def _read_proof(event: Event) -> Proof | None:
    """Return how the consents of an identify were given, if it states any."""
    if event.type != "identify" or not event.properties.get(CONSENT):
        return None
    given = event.context.get(CONSENT)
    form, wording = (_text(given.get(name)) if isinstance(given, dict) else None for name in ("form", "wording"))
    proof = Proof(form, wording, _text(event.context.get("ip")))
    return None if proof == Proof() else proof


def _text(value: object) -> str | None:
    return value[:MAX_PROOF_CHARACTERS] if isinstance(value, str) and value else None


def said_at(event: Event, received_at: datetime) -> datetime:
    """Return the time of an event's statements: its own, or the arrival if earlier.

    So a client whose clock is ahead does not win over everything later. With an impossible clock the statement comes
    before all others, and fills only what is unknown.
    """
    if event.reported_timestamp is not None:
        return BEFORE_EVERYTHING
    return min(event.timestamp, received_at) if event.said_at is None else event.said_at


def stamp_of(event: Event, source: Source, received_at: datetime) -> Stamp:
    """Return the stamp of an event's statements; a verified one wins over any other."""
    said = stamp(said_at(event, received_at), event.message_id, source.label)
    return said if event.trust is Trust.VERIFIED else unverified_stamp(said)


def statements_of(event: Event, source: Source, received_at: datetime) -> list[Statement]:
    """Return the statements of an identify; none for other events."""
    if event.type != "identify":
        return []
    said = stamp_of(event, source, received_at)
    # With an impossible clock, a refusal counts from its arrival, so that it is not lost.
    refused = said if event.reported_timestamp is None else stamp(event.timestamp, event.message_id, source.label)
    consent = event.properties.get(CONSENT) or {}
    return [
        *statements_of_traits({k: v for k, v in event.properties.items() if k != CONSENT}, said, source),
        *(
            Statement("consent", channel, given, said if given else refused, source)
            for channel, given in consent.items()
            if channel != TOPICS
        ),
        *(
            Statement("preferences", name, value, said if value else refused, source)
            for topic, by_channel in consent.get(TOPICS, {}).items()
            for channel, is_subscribed in by_channel.items()
            for name, value in registers_of(
                SubscriptionRef(topic, channel),
                is_subscribed=is_subscribed,
                # A link was mailed to the address: the person who follows it reads there.
                is_confirmed=source.kind in _VOUCHED or event.context.get(OUR_CONTEXT, {}).get("link") == channel,
            )
        ),
        *(
            Statement("preferences", PACE, value, said, source)
            for value in ([event.context[OUR_CONTEXT][PACE]] if PACE in event.context.get(OUR_CONTEXT, {}) else ())
        ),
    ]


def statements_of_traits(traits: Mapping[str, Any], said: Stamp, source: Source) -> list[Statement]:
    """Return statements of traits; deletions first, so that they make room."""
    in_order = sorted(traits.items(), key=lambda trait: trait[1] is not None)
    return [Statement("traits", name, value, said, source) for name, value in in_order]


def surroundings_of(event: Event, source: Source, received_at: datetime) -> list[Statement]:
    """Return the statements of an event's context: time zone and language."""
    found = read_surroundings(event.context)
    if not found:
        return []
    said = stamp_of(event, source, received_at)
    return [Statement("context", name, value, said, source) for name, value in found.items()]


def location_of(event: Event, source: Source, received_at: datetime) -> list[Statement]:
    """Return the statement of the location that an event reports."""
    if (point := read_point(event)) is None:
        return []
    return [Statement("context", LOCATION, asdict(point), stamp_of(event, source, received_at), source)]


def claims_of(event: Event, source: Source, received_at: datetime) -> list[Statement]:
    """Return the statements of what the sender of an event may only claim."""
    if not event.claims:
        return []
    said = unverified_stamp(stamp(said_at(event, received_at), event.message_id, source.label))
    return [Statement("claims", path, value, said, source) for path, value in event.claims.items()]


def addresses_in(statements: Iterable[Statement]) -> set[tuple[str, str]]:
    """Return the normalised addresses, by channel, that people may have afterwards."""
    return {
        address
        for one in statements
        if one.part == "traits"
        for address in normalized_addresses({one.name: one.value}).items()
    }
