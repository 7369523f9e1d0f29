"""Report the ends of sessions, and openings, through ingest.

An index has the instant at which each open session is due. Its events are then read from the store, since the activity
is some minutes coarse: if they show that the session goes on, its instant is moved. Openings, and sessions that a later
event has shown to be over, are queued in a table.

The id of a reported event depends on its session alone, so a page that is repeated after a crash reports each once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from application.activity_states import load_server_sources
from application.catalogue import Catalogue
from application.ingest import Ingest
from application.trait_sweeper import SweepResult
from domain.journey.session_listeners import hears_ends
from domain.people.session_events import (
    NamedPerson,
    cut_session,
    ended_event,
    opened_event,
)
from domain.people.sessions import SILENCE, Session
from domain.tracking.event import Event
from store import activity, campaigns, profiles, session_reports
from store.activity import Span
from store.database import Connection, Database
from store.session_reports import OpenSession, SessionReport

# Sessions of one transaction.
PAGE = 200


@dataclass(frozen=True, slots=True)
class SessionReporter:
    """Reports ends and openings. One worker at a time does it."""

    database: Database
    catalogue: Catalogue
    ingest: Ingest
    name: str = "sessions"

    async def sweep(self) -> SweepResult:
        """Report what is due, one page of it."""
        async with self.database.transaction() as connection:
            due_at, has_waiting = await session_reports.next_due(connection)
            now = connection.clock.now()
        if not has_waiting and (due_at is None or due_at > now):
            return SweepResult(0, 0.0, None if due_at is None else (due_at - now).total_seconds())
        # In a transaction of its own: a publication that waits for its lock would block the ingest below.
        is_heard = await self._is_heard()
        async with self.database.transaction() as connection:
            if not await session_reports.lock(connection):
                return SweepResult(0, 0.0, 0.0)
            number = await self._report(connection, now, is_heard=is_heard)
        return SweepResult(number, 0.0, 0.0)

    async def _is_heard(self) -> bool:
        async with self.database.transaction() as connection:
            revision = await campaigns.lock_registry_shared(connection)
            listeners = await self.catalogue.listeners_at(connection, revision)
            return hears_ends(listeners, await self.catalogue.computed_at(connection, revision))

    async def _report(self, connection: Connection, now: datetime, *, is_heard: bool) -> int:
        due = await session_reports.find_ending(connection, now, PAGE)
        reports = await session_reports.find_waiting(connection, PAGE)
        people = await session_reports.find_people(
            connection, {*(one.profile_id for one in due), *(one.profile_id for one in reports)}
        )
        spans = [Span(one.profile_id, one.started_at, now) for one in due]
        spans += [Span(one.profile_id, one.started_at, one.last_at) for one in reports]
        happened = await self._read(connection, spans) if is_heard or reports else [[] for _ in spans]
        events: list[Event] = []
        ends: dict[OpenSession, datetime] = {}
        for one, found in zip(due, happened, strict=False):
            session = cut_session(found)
            last_at = max(one.last_seen, session[-1].timestamp if session else one.last_seen)
            ends[one] = last_at
            if is_heard and last_at + SILENCE <= now and session and (person := people.get(one.profile_id)):
                events.append(ended_event(person, Session(one.started_at, last_at), session))
        for report, found in zip(reports, happened[len(due) :], strict=True):
            if (person := people.get(report.profile_id)) is not None:
                events.append(_event_of(report, person, found))
        if events:
            await self.ingest(events, received_at=now)
        await profiles.lock(connection, {one.profile_id for one in due})
        await session_reports.end(connection, {one: at for one, at in ends.items() if at + SILENCE <= now})
        await session_reports.prolong(connection, {one: at for one, at in ends.items() if at + SILENCE > now})
        await session_reports.delete(connection, [report.id for report in reports])
        return len(due) + len(reports)

    async def _read(self, connection: Connection, spans: Sequence[Span]) -> list[list[Event]]:
        sources = await load_server_sources(connection)
        return [
            [event for event in events if sources.is_activity(event)]
            for events in await activity.read_events(connection, spans)
        ]


def _event_of(report: SessionReport, person: NamedPerson, events: Sequence[Event]) -> Event:
    if report.platform is None:
        return ended_event(person, Session(report.started_at, report.last_at), events)
    return opened_event(person, report.platform, report.started_at, events)
