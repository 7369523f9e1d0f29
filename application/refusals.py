"""The refusals that are not kept: events whose campaign's condition is false, worked out when a timeline is read.

An event may be of no interest to a thousand campaigns, which would be a thousand rows.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from application.catalogue import Catalogue
from application.people import read_people
from application.routing import MAX_WORK
from domain.conditions.expressions import ExpressionScope
from domain.journey.listeners import Listeners
from domain.journey.matching import Matcher, Person, ProfileEvent
from domain.long_work import LongWork
from store import campaigns, decisions, events, timeline
from store.database import Connection
from store.events import StoredEvent
from store.timeline import Recorded

# Campaigns of one page; more are not worked out.
MAX_REFUSALS = 500


class Unjudged(NamedTuple):
    """What the refusals of a page depend on."""

    people: Mapping[UUID, Person]
    found: Sequence[StoredEvent]
    reported: Mapping[str, Recorded]
    listeners: Listeners
    decided: set[tuple[UUID, str]]
    published: Mapping[tuple[str, int], datetime]


async def look_up(
    connection: Connection, catalogue: Catalogue, profile_id: UUID, recorded: Sequence[Recorded]
) -> Unjudged | None:
    """Read what the refusals of the events among what was recorded depend on. None where there are none."""
    listeners = await catalogue.listeners(connection)
    reported = {entry.key: entry for entry in recorded if entry.kind == "event" and entry.outcome == "track"}
    found = [
        stored
        for stored in await events.by_ids(connection, profile_id, [UUID(key) for key in reported])
        if listeners.entries(stored.event)
    ]
    if not found:
        return None
    decided = await decisions.entries_decided(connection, profile_id, [stored.event.id for stored in found])
    published = await campaigns.published_at(connection)
    people = await read_people(connection, [profile_id])
    if profile_id not in people:
        # Merged into another since it was looked up.
        return None
    return Unjudged(people, found, reported, listeners, decided, published)


def work_out(unjudged: Unjudged) -> LongWork[dict[str, list[Recorded]]]:
    """The refusals by the event's key, at most MAX_REFUSALS and as many as MAX_WORK is enough for.

    They are judged by the versions that run now, and by the profile as it is now: of events that were there before the
    version was published nothing is said. A piece judges one event for one campaign.
    """
    matcher = Matcher(unjudged.people)
    refusals: dict[str, list[Recorded]] = {}
    number = steps = 0
    for stored in unjudged.found:
        event = stored.event
        entry = unjudged.reported[str(event.id)]
        for version in unjudged.listeners.entries(event):
            if number >= MAX_REFUSALS or steps + matcher.work >= MAX_WORK:
                return refusals
            steps += 1
            yield
            is_later = unjudged.published[version.key, version.version] > entry.recorded_at
            if (event.id, version.key) in unjudged.decided or is_later:
                continue
            where = version.rules.entry.where
            outcome = matcher.condition(
                where, ExpressionScope.ENTRY_WHERE, ProfileEvent(stored.profile_id, event), None
            )
            if not outcome.holds and outcome.error is None:
                data = {"event_id": str(event.id), "where": where, "version": version.version, "worked_out": True}
                refusals.setdefault(entry.key, []).append(timeline.refusal(entry, version.key, data))
                number += 1
    return refusals
