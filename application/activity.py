"""Learn from committed events when people were there, and by which devices.

A consumer of the stream does this, so that it costs ingest nothing. A page of events takes a fixed number of
statements, and writes only the people that it changes: a burst of events within five minutes changes a person once.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID, uuid5

from msgspec import Struct
from msgspec.structs import replace

from application import turns
from application.activity_states import ServerSources, load_server_sources
from application.catalogue import Catalogue
from application.derived_events import JudgeRequest, judge_people, report_caused
from application.device_registrations import read_registrations
from application.settled_people import SettledPeople, settle_people
from application.statements import ask_for_people, write_people
from domain.errors import UnavailableError
from domain.journey.session_listeners import hears_ends
from domain.long_work import LongWork
from domain.people import profile_state, sessions
from domain.people.derived_events import cause_of
from domain.people.devices import observe_device
from domain.people.profile_state import ProfileState, Statement
from domain.people.segments.inputs import LEARNED
from domain.people.session_events import opened_trigger
from domain.people.sessions import LAST_SEEN_STEP, SILENCE, Activity
from domain.people.statements import event_source, surroundings_of
from domain.stream import StreamKind
from domain.tracking.event import Event
from store import activity, campaigns, profile_changes, profiles, session_reports
from store.activity import Learned, Span
from store.database import Connection
from store.session_reports import NewReport
from store.stream import StreamedEvent, StreamRow

_EVENTS: Final[tuple[StreamKind, ...]] = ("event",)


class _Lesson(Struct, frozen=True):
    """A person before and after events, and what these say and show."""

    before: Learned
    after: Learned
    said: Sequence[Statement]
    reports: Sequence[NewReport]

    @property
    def is_news(self) -> bool:
        """Whether anything is to be written."""
        known, learned = self.before.activity, self.after.activity
        if known is None or learned is None or not learned.is_stored_as(known):
            return True
        return bool(self.said) or self.after.devices is not self.before.devices


class ActivityConsumer:
    """Follows the activity of people."""

    name = "activity"
    kinds: Collection[StreamKind] = _EVENTS

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._sources: ServerSources | None = None

    async def consume(self, connection: Connection, rows: Sequence[StreamRow]) -> None:
        """Learn from a page of events."""
        self._sources = await load_server_sources(connection, self._sources)
        done = [row for row in rows if isinstance(row, StreamedEvent) and self._sources.is_activity(row.event)]
        if done:
            revision = await campaigns.lock_registry_shared(connection)
            listeners = await self._catalogue.listeners_at(connection, revision)
            traits = await self._catalogue.computed_at(connection, revision)
            awaits_end = hears_ends(listeners, traits)
            people = _group(done, await activity.follow_merges(connection, {row.profile_id for row in done}))
            known = await _read(connection, people, self._sources)
            lessons = await turns.run(_teach(known, people, awaits_end=awaits_end))
            said = read_registrations(people)
            registrations = await said.select_news(connection)
            changed = {
                id: lesson.said for id, lesson in lessons.items() if lesson.is_news or id in registrations.people
            }
            if not changed:
                return
            changed = {id: changed[id] for id in await _lock(connection, changed)}
            await registrations.write(connection, changed)
            settled = await settle_people(connection, self._catalogue, changed)
            news, last = await _learn(
                connection, {id: people[id] for id in changed}, changed, self._sources, awaits_end=awaits_end
            )
            await self._judge(connection, revision, last, settled)
            reports = [
                one for one in news if one.platform is None or listeners.listens_for(opened_trigger(one.platform))
            ]
            if reports:
                await session_reports.add(connection, reports)

    async def _judge(
        self, connection: Connection, revision: int, last: Mapping[UUID, Event], settled: SettledPeople
    ) -> None:
        """Judge people by the segments that read their activity, after their last events."""
        segments = await self._catalogue.segments_at(connection, revision)
        affected = segments.find_affected(LEARNED)
        # Ingest has judged them by the same events.
        requests = {
            id: JudgeRequest(affected, replace(cause_of(event), id=uuid5(event.id, self.name)), event_source(event))
            for id, event in last.items()
        }
        judged = await judge_people(connection, self._catalogue, requests, settled)
        await report_caused(connection, self._catalogue, [*settled.changes, *judged])


async def _lock(connection: Connection, ids: Collection[UUID]) -> list[UUID]:
    """Lock people; return their ids without those of people who are being erased."""
    locked = await (await profiles.lock(connection, ids)).get()
    if len(locked) < len(ids) and await activity.follow_merges(connection, set(ids) - locked.keys()):
        raise UnavailableError("a person was merged meanwhile: the page is read again", retry_after=1)
    return [id for id, person in locked.items() if not person.is_erased]


async def _learn(
    connection: Connection,
    people: Mapping[UUID, Sequence[StreamedEvent]],
    changed: Mapping[UUID, Sequence[Statement]],
    sources: ServerSources,
    *,
    awaits_end: bool,
) -> tuple[list[NewReport], dict[UUID, Event]]:
    """Write what is new of locked people; return sessions and people.

    The sessions have ended or opened. Each person comes with their last event.
    """
    said = {id: statements for id, statements in changed.items() if statements}
    written = await write_people(connection, await ask_for_people(connection, changed, said, with_consent=False))
    if written.history:
        await profile_changes.insert(connection, written.history)
    # Now that they are locked: a merge writes these as well.
    known = await _read(connection, people, sources)
    lessons = await turns.run(_teach(known, people, awaits_end=awaits_end))
    learned = {id: lesson.after for id, lesson in lessons.items()}
    await activity.write(connection, {id: one.activity for id, one in learned.items() if one.activity is not None})
    await activity.write_devices(
        connection,
        {id: one.devices for id, one in known.items()},
        {id: one.devices for id, one in learned.items()},
    )
    last = {id: people[id][-1].event for id in learned}
    return [report for lesson in lessons.values() for report in lesson.reports], last


def _group(rows: Iterable[StreamedEvent], merged: Mapping[UUID, UUID]) -> dict[UUID, list[StreamedEvent]]:
    """Group events by their person now, in the order in which they happened."""
    people: dict[UUID, list[StreamedEvent]] = {}
    for row in sorted(rows, key=lambda row: (row.event.timestamp, row.event.id)):
        people.setdefault(merged.get(row.profile_id, row.profile_id), []).append(row)
    return people


async def _read(
    connection: Connection, people: Mapping[UUID, Sequence[StreamedEvent]], sources: ServerSources
) -> dict[UUID, Learned]:
    """Read what is known of people, exactly where that matters.

    `last_seen` is coarse: an event just after the silence since then may be of the same session.
    """
    known = await (await activity.read(connection, people.keys())).get()
    doubtful = [
        (id, one, one.activity)
        for id, one in known.items()
        if one.activity is not None and _is_doubtful(one.activity, people[id])
    ]
    spans = [Span(id, seen.last_seen, seen.last_seen + LAST_SEEN_STEP) for id, _, seen in doubtful]
    for (id, one, seen), events in zip(doubtful, await activity.read_events(connection, spans), strict=True):
        until = max([seen.active_until, *(event.timestamp for event in events if sources.is_activity(event))])
        known[id] = replace(one, activity=replace(seen, active_until=until))
    return known


def _is_doubtful(known: Activity, rows: Iterable[StreamedEvent]) -> bool:
    over_at = known.last_seen + SILENCE
    return not known.is_over and any(over_at <= row.event.timestamp < over_at + LAST_SEEN_STEP for row in rows)


def _teach(
    known: Mapping[UUID, Learned], people: Mapping[UUID, Sequence[StreamedEvent]], *, awaits_end: bool
) -> LongWork[dict[UUID, _Lesson]]:
    lessons: dict[UUID, _Lesson] = {}
    for id, before in known.items():
        after, said, reports = before, list[Statement](), list[NewReport]()
        for row in people[id]:
            event, at = row.event, row.event.timestamp
            step = sessions.observe(after.activity, event, at, awaits_end=awaits_end)
            after = replace(after, activity=step.activity, devices=observe_device(after.devices, event, at))
            if step.ended is not None:
                reports.append(NewReport(id, step.ended.started_at, step.ended.last_at))
            if step.opened is not None:
                reports.append(NewReport(id, at, at, step.opened))
            said += surroundings_of(event, event_source(event), row.received_at)
            yield
        update = profile_state.fold(ProfileState(context=before.context), said)
        lessons[id] = _Lesson(before, after, said if update.is_changed else (), reports)
    return lessons
