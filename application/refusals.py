"""The refusals that are not kept: events whose campaign's condition is false, worked out when a timeline is read.

An event may be of no interest to a thousand campaigns, which would be a thousand rows.
"""

from collections.abc import Sequence
from uuid import UUID

from application.catalogue import Catalogue
from application.people import read_people
from domain.conditions.expressions import Place
from domain.journey.matching import Happening, Matcher
from store import campaigns, decisions, events, timeline
from store.database import Connection
from store.timeline import Recorded

# Campaigns of one page; more are not worked out.
MAX_REFUSALS = 500


async def work_out(
    connection: Connection, catalogue: Catalogue, profile_id: UUID, recorded: Sequence[Recorded]
) -> dict[str, list[Recorded]]:
    """The refusals of the events among what was recorded, by the event's key, at most MAX_REFUSALS.

    They are judged by the versions that run now, and by the profile as it is now: of events that were there before the
    version was published nothing is said.
    """
    listeners = await catalogue.listeners(connection)
    reported = {entry.key: entry for entry in recorded if entry.kind == "event" and entry.outcome == "track"}
    found = [
        stored
        for stored in await events.by_ids(connection, profile_id, [UUID(key) for key in reported])
        if listeners.entries(stored.event)
    ]
    if not found:
        return {}
    decided = await decisions.entries_decided(connection, profile_id, [stored.event.id for stored in found])
    published = await campaigns.published_at(connection)
    people = await read_people(connection, [profile_id])
    if profile_id not in people:
        # Merged into another since it was looked up.
        return {}
    matcher = Matcher(people)
    refusals: dict[str, list[Recorded]] = {}
    for stored in found:
        event = stored.event
        entry = reported[str(event.id)]
        for version in listeners.entries(event):
            if sum(map(len, refusals.values())) >= MAX_REFUSALS:
                return refusals
            if (event.id, version.key) in decided or published[version.key, version.version] > entry.recorded_at:
                continue
            where = version.rules.entry.where
            outcome = matcher.condition(where, Place.ENTRY_WHERE, Happening(profile_id, event), None)
            if not outcome.holds and outcome.error is None:
                data = {"event_id": str(event.id), "where": where, "version": version.version, "worked_out": True}
                refusals.setdefault(entry.key, []).append(timeline.refusal(entry, version.key, data))
    return refusals
