"""What a batch of events says of people, as statements that can be folded into their profiles."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from domain.channels.kinds import normalized_addresses
from domain.people.profile_state import Source, Statement
from domain.people.registers import Stamp, stamp
from domain.people.surroundings import read_surroundings
from domain.tracking.event import Event

BEFORE_EVERYTHING = datetime.min.replace(tzinfo=UTC)


def said_at(event: Event, received_at: datetime) -> datetime:
    """When an event was said: the earlier of when it happened and when it arrived.

    So a client whose clock is ahead does not hold its word against all that comes later. What an impossible clock says
    is said before everything, so that it fills only what is not known.
    """
    if event.reported_timestamp is not None:
        return BEFORE_EVERYTHING
    return min(event.timestamp, received_at) if event.said_at is None else event.said_at


def statements_of(event: Event, source: Source, received_at: datetime) -> list[Statement]:
    """What an identify says of its person, and nothing for other events."""
    if event.type != "identify":
        return []
    said = stamp(said_at(event, received_at), event.message_id)
    # Of an impossible clock a refusal counts as of its arrival, lest it goes for nothing.
    refused = said if event.reported_timestamp is None else stamp(event.timestamp, event.message_id)
    consent = event.properties.get("consent") or {}
    return [
        *statements_of_traits({k: v for k, v in event.properties.items() if k != "consent"}, said, source),
        *(
            Statement("consent", channel, given, said if given else refused, source)
            for channel, given in consent.items()
        ),
    ]


def statements_of_traits(traits: Mapping[str, Any], said: Stamp, source: Source) -> list[Statement]:
    """Traits that are said at once. Those taken back go first: in a full profile they make room for the others."""
    in_order = sorted(traits.items(), key=lambda trait: trait[1] is not None)
    return [Statement("traits", name, value, said, source) for name, value in in_order]


def surroundings_of(event: Event, source: Source, received_at: datetime) -> list[Statement]:
    """What the context of an event says of its person's time zone and language."""
    found = read_surroundings(event.context)
    if not found:
        return []
    said = stamp(said_at(event, received_at), event.message_id)
    return [Statement("context", name, value, said, source) for name, value in found.items()]


def addresses_in(statements: Iterable[Statement]) -> set[tuple[str, str]]:
    """The addresses, by channel and normalised, that people may have once these statements are taken in."""
    return {
        address
        for one in statements
        if one.part == "traits"
        for address in normalized_addresses({one.name: one.value}).items()
    }
