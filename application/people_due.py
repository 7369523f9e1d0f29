"""Report what time has changed of people, before an event of theirs is judged."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from application import turns
from application.catalogue import Catalogue
from application.derived_events import report_caused
from application.segment_judge import open_judge, write_judged
from domain.long_work import TooMuchWork
from domain.people.profile import Profile
from store import campaigns, profiles
from store.database import Connection, Database


async def report_due(database: Database, catalogue: Catalogue, ids: Collection[UUID], now: datetime) -> None:
    """Report what has changed of these people until now, in transactions of its own."""
    due = sorted(ids)
    while due:
        due = await _report_once(database, catalogue, due, now)


async def _report_once(database: Database, catalogue: Catalogue, ids: list[UUID], now: datetime) -> list[UUID]:
    """Report the next instant of each; return those who are due once more."""
    number = len(ids)
    while True:
        try:
            async with database.transaction() as connection:
                revision = await campaigns.lock_registry_shared(connection)
                people = await (await profiles.lock(connection, ids[:number])).get()
                still = await report_time(connection, catalogue, revision, people, now)
            return [*still, *ids[number:]]
        except TooMuchWork:
            if number == 1:
                raise
            number //= 2


async def report_time(
    connection: Connection, catalogue: Catalogue, revision: int, people: dict[UUID, Profile], now: datetime
) -> list[UUID]:
    """Report the next due instant of locked people; return who is due once more."""
    listeners = await catalogue.listeners_at(connection, revision)
    traits = await catalogue.computed_at(connection, revision)
    segments = await catalogue.segments_at(connection, revision)
    judge = await open_judge(connection, traits, segments, listeners.watched_traits, people, now)
    due = [id for id in people if judge.is_due(id)]
    await turns.run(judge.pass_once(due))
    await write_judged(connection, judge)
    await report_caused(connection, catalogue, judge.changes)
    return [id for id in due if judge.is_due(id)]
