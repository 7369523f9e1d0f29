"""Refusals by false conditions, which are evaluated when a timeline is read.

A thousand campaigns may refuse an event, so the refusals are not stored.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from application.accounts import read_accounts
from application.catalogue import Catalogue
from application.people import read_people
from application.routing import MAX_WORK
from domain.conditions.expressions import ExpressionScope
from domain.journey.listeners import Listeners
from domain.journey.matching import Matcher, Person, ProfileEvent
from domain.long_work import LongWork
from domain.people.account_view import AccountKey, AccountView
from domain.tracking.stored_event import StoredEvent
from store import campaigns, decisions, events, timeline
from store.database import Connection
from store.timeline import Recorded

# The most campaigns of one page.
MAX_REFUSALS = 500


class Unjudged(NamedTuple):
    """The data on which the refusals of a page depend."""

    people: Mapping[UUID, Person]
    found: Sequence[StoredEvent]
    reported: Mapping[str, Recorded]
    listeners: Listeners
    decided: set[tuple[UUID, str]]
    published: Mapping[tuple[str, int], datetime]
    at: datetime
    accounts: Mapping[AccountKey, AccountView] = {}


async def look_up(
    connection: Connection, catalogue: Catalogue, profile_id: UUID, recorded: Sequence[Recorded]
) -> Unjudged | None:
    """Read the data for the refusals of recorded events. None if there are none."""
    listeners = await catalogue.listeners(connection)
    reported = {entry.key: entry for entry in recorded if entry.kind == "event"}
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
    reads_accounts = listeners.may_look_at_accounts
    judged = [ProfileEvent(stored.profile_id, stored.event) for stored in found]
    accounts = await read_accounts(connection, judged) if reads_accounts else {}
    return Unjudged(people, found, reported, listeners, decided, published, connection.clock.now(), accounts)


def evaluate_refusals(unjudged: Unjudged) -> LongWork[dict[str, list[Recorded]]]:
    """Evaluate the refusals by the event's key, within MAX_REFUSALS and MAX_WORK.

    They use the running versions and the current profile; events before a version's publication have none. A piece of
    work is one event and one campaign.
    """
    matcher = Matcher(unjudged.people, unjudged.at, accounts=unjudged.accounts)
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
                where, ExpressionScope.ENTRY_WHERE, ProfileEvent(stored.profile_id, event), None, version.rules.timezone
            )
            if not outcome.holds and outcome.error is None:
                data = {"event_id": str(event.id), "where": where, "version": version.version, "worked_out": True}
                refusals.setdefault(entry.key, []).append(timeline.refusal(entry, version.key, data))
                number += 1
    return refusals
