"""Explanations of a user's timeline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from msgspec import convert
from msgspec.structs import replace

from application import turns
from application.catalogue import Catalogue
from application.change_text import change_text
from application.data_plan import read_declared
from application.people import unknown_person
from application.refusals import evaluate_refusals, look_up
from application.timeline_text import describe_record
from application.whereabouts import Whereabouts, link, whereabouts
from domain.access import Actor
from domain.data_plan.declared import DeclaredEvents
from domain.errors import InvalidCursorError
from domain.people.identity import PersonRef
from domain.tracking.event import EventType
from store import audit, profiles, timeline
from store.database import Database
from store.timeline import Recorded

NO_REFUSALS: Mapping[str, Sequence[Recorded]] = {}


@dataclass(frozen=True, slots=True)
class PersonChange:
    """A change in one part of a profile, in words and as data.

    `part` is traits, consent, preferences, suppressed, addresses, accounts, context (zone and language of the device),
    stage, identity, or claims (what a browser said without a user token); `source` is an event, a link, an operator, a
    step or a merge. `changes` has the values before and after by name, or what was linked or merged.
    """

    part: str
    source: str
    summary: str
    changes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TimelineItem:
    """One line of a timeline. `url` leads to the journey in the Temporal UI.

    `outcome` is entered, requested, granted, deferred, held, refused, left_out, sent, failed, cancelled, unknown,
    exited, converted, skipped, moved, stayed, joined, left, the outcome of a journey, the case of a branch, the arm of
    a split, or the result of an action or a delay; None for an event. A goal's `step` is that of the last message
    before it. `changes` are those of the person.
    """

    at: datetime
    kind: str
    summary: str
    outcome: str | None
    campaign: str | None
    journey_id: str | None
    step: str | None
    reason: str | None
    data: dict[str, Any]
    url: str | None
    changes: list[PersonChange] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Timeline:
    """The lines, oldest first, with the `next` page; `now` is on the latest page only."""

    user_id: str
    items: list[TimelineItem]
    now: list[Whereabouts]
    next: str | None


class Explain:
    """Explains timelines, with links to the Temporal UI.

    `journey_url` contains {workflow_id}. `timezone` is the deployment's, for people without a zone of their own or
    their campaign's.
    """

    def __init__(self, database: Database, catalogue: Catalogue, journey_url: str, timezone: str) -> None:
        self._database = database
        self._catalogue = catalogue
        self._journey_url = journey_url
        self._timezone = timezone

    async def timeline(self, person: PersonRef, *, limit: int, before: str | None, by: Actor) -> Timeline:
        """Return the latest `limit` lines before a place; the audit log says who looked.

        Raises NotFoundError.
        """
        place = place_of(before)
        async with self._database.transaction() as connection:
            profile_id = await profiles.find(connection, person)
            called = person.id if profile_id is None else None
            people = [] if profile_id is None else [profile_id]
            recorded = await timeline.latest(connection, people, limit + 1, place, called=called)
            declared = await read_declared(connection)
            unjudged = await look_up(connection, self._catalogue, profile_id, recorded[:limit]) if profile_id else None
            now = (
                []
                if place or profile_id is None
                else await whereabouts(
                    connection, profile_id, self._timezone, connection.clock.now(), self._journey_url
                )
            )
            await audit.record_look(connection, by, "user.read", person.id)
        if profile_id is None and not recorded:
            raise unknown_person(person)
        refusals = await turns.run(evaluate_refusals(unjudged)) if unjudged else {}
        marked = [mark_violations(declared, entry) for entry in recorded]
        items, next = timeline_items(marked, limit, self._journey_url, refusals)
        return Timeline(person.id, items, now, next)


def place_of(before: str | None) -> tuple[datetime, str] | None:
    """Return the place that a `next` names. Raises InvalidCursorError."""
    if before is None:
        return None
    instant, separator, key = before.partition("~")
    try:
        at = datetime.fromisoformat(instant)
    except ValueError as error:
        raise InvalidCursorError("`before` must be the `next` of an earlier answer") from error
    if not separator or at.tzinfo is None:
        raise InvalidCursorError("`before` must be the `next` of an earlier answer")
    return at, key


def timeline_items(
    recorded: Sequence[Recorded],
    limit: int,
    journey_url: str,
    refusals: Mapping[str, Sequence[Recorded]] = NO_REFUSALS,
) -> tuple[list[TimelineItem], str | None]:
    """Describe the newest `limit` records, given newest first, oldest first.

    Also returns the `next` if there are more. The refusals of an event, by its key, follow it and do not count.
    """
    shown = recorded[:limit]
    next = f"{shown[-1].recorded_at.isoformat()}~{shown[-1].key}" if len(recorded) > limit else None
    lines = [
        line
        for entry in reversed(shown)
        for line in (entry, *(refusals.get(entry.key, ()) if entry.kind == "event" else ()))
    ]
    return [_item(entry, journey_url) for entry in lines], next


def mark_violations(declared: DeclaredEvents, entry: Recorded) -> Recorded:
    """Add to an event how it departs from what is declared now."""
    if entry.kind != "event" or declared.is_empty:
        return entry
    type: EventType = convert(entry.outcome, EventType)
    found = declared.find_violations(entry.data["source"], type, entry.name, entry.data["properties"])
    if not found:
        return entry
    return replace(entry, data={**entry.data, "violations": [one.text for one in found]})


def _item(entry: Recorded, journey_url: str) -> TimelineItem:
    return TimelineItem(
        at=entry.at,
        kind=entry.kind,
        summary=describe_record(entry),
        outcome=None if entry.kind in ("event", "change") else entry.outcome,
        campaign=entry.campaign,
        journey_id=str(entry.journey_id) if entry.journey_id else None,
        step=entry.step,
        reason=entry.reason,
        data=entry.data,
        url=link(journey_url, entry.workflow_id) if entry.workflow_id else None,
        changes=[PersonChange(**one, summary=change_text(one["part"], one["changes"])) for one in entry.changes],
    )
