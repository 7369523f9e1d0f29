"""Bring locked people up to date with time, before something else changes them.

A person who is due has been changed by time already: that is decided with the profile as it was then, as the sweeper
decides it, however late it is.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application import turns
from application.catalogue import Catalogue
from application.segment_judge import open_judge, write_judged
from domain.long_work import TooMuchWork
from domain.people.computed.state_row import EMPTY
from domain.people.derived_events import CausedChange
from store import profile_states, profiles
from store.database import Connection


@dataclass(frozen=True, slots=True)
class SettledPeople:
    """Locked people without a change by time that is due at an instant.

    `changes` are those that were due. They are reported before any other.
    """

    at: datetime
    changes: list[CausedChange]


class PeopleDueError(Exception):
    """Time has changed people until an instant: that is reported first."""

    def __init__(self, ids: Collection[UUID], at: datetime) -> None:
        super().__init__(f"{len(ids)} people are due")
        self.ids = ids
        self.at = at


async def settle_people(connection: Connection, catalogue: Catalogue, ids: Collection[UUID]) -> SettledPeople:
    """Judge locked people by what time has changed until now.

    The caller has locked the registry before the people, and has not changed them yet. Raises TooMuchWork beyond one
    transaction, except for a single person.
    """
    at = connection.clock.now()
    due = await _find_due(connection, catalogue, ids, at)
    if not due:
        return SettledPeople(at, [])
    traits, segments = await catalogue.load_computed(connection), await catalogue.load_segments(connection)
    watched = (await catalogue.listeners(connection)).watched_traits
    judge = await open_judge(connection, traits, segments, watched, await profiles.read(connection, due), at)
    done = await turns.run(judge.catch_up(judge.people))
    if len(done) < len(judge.people):
        raise TooMuchWork(done[-1])
    await write_judged(connection, judge)
    return SettledPeople(at, judge.changes)


async def require_settled(connection: Connection, catalogue: Catalogue, ids: Collection[UUID]) -> SettledPeople:
    """Raise PeopleDueError if one of the locked people is due.

    The changes of people who are about to be merged or separated are reported as those of each.
    """
    at = connection.clock.now()
    if due := await _find_due(connection, catalogue, ids, at):
        raise PeopleDueError(due, at)
    return SettledPeople(at, [])


async def _find_due(
    connection: Connection, catalogue: Catalogue, ids: Collection[UUID], at: datetime
) -> Collection[UUID]:
    """Return the people that time or newer definitions may have changed."""
    segments = await catalogue.load_segments(connection)
    if not segments:
        return []
    rows = await (await profile_states.read(connection, ids)).get()
    due = {id for id, row in rows.items() if row.next_at is not None and row.next_at <= at}
    if segments.building:
        people = await profiles.read(connection, ids)
        due |= {
            id
            for id, person in people.items()
            if not segments.has_judged(rows.get(id, EMPTY).judged, person.created_at)
        }
    return due
