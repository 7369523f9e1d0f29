"""Merges of two known users by an operator."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from uuid_utils.compat import uuid7

from application import routing
from application.account_journeys import hand_over_of_strangers, lock_accounts_of
from application.catalogue import Catalogue
from application.derived_events import report_changes
from application.held_journeys import wake_held
from application.identity_locks import find_profile, lock_users, retry_moved
from application.merge_undo import UndoResult, undo_merge
from application.people import unknown_person
from application.people_due import report_due
from application.profile_history import build_identity_change
from application.profile_merges import merge_people
from application.settled_people import PeopleDueError, require_settled
from domain.access import Actor
from domain.errors import ConflictError
from domain.people.derived_events import Cause
from domain.people.identity import PersonRef
from domain.people.profile_state import Refusal, Source
from store import audit, computed_traits, journeys, merges, outbox, profile_changes, profiles
from store.database import Connection, Database
from store.merges import Contamination, Merge

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MergeView:
    """A merge: the profile and its user id, who merged it, and when."""

    source: str | None
    source_profile_id: UUID
    at: datetime
    by: str
    is_reversible: bool


@dataclass(frozen=True, slots=True)
class LeftOutTrait:
    """A trait or consent for which the merged profile has no room, and why."""

    part: str
    error: str


@dataclass(frozen=True, slots=True)
class MergeResult:
    """A merge, the journeys that it ended, and what the person has no room for."""

    target: str
    merge: MergeView
    ended_journeys: list[UUID]
    contaminated: list[Contamination]
    left_out: list[LeftOutTrait] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class MergeList:
    """Merges into a person, newest first, and splits with several arms of theirs."""

    merges: list[MergeView]
    contaminated: list[Contamination]


class Merges:
    """Merges users, undoes that, and lists the merges of a person."""

    def __init__(self, database: Database, catalogue: Catalogue) -> None:
        self._database = database
        self._catalogue = catalogue

    async def list(self, person: PersonRef, *, limit: int, before: tuple[datetime, UUID] | None) -> MergeList:
        """Return the merges into a person, the newest first. Raises NotFoundError.

        `before` is the place (at, source_profile_id) of the last one seen.
        """
        async with self._database.transaction() as connection:
            profile_id = await profiles.find(connection, person)
            if profile_id is None:
                raise unknown_person(person)
            rows = await merges.page(connection, profile_id, limit=limit, before=before)
            return MergeList([_view(row) for row in rows], await merges.find_contaminated(connection, profile_id))

    async def merge(self, user_id: str, source_user_id: str, *, by: Actor) -> MergeResult:
        """Merge a user into another one, whose profile stays.

        Raises NotFoundError if one of them is unknown, ConflictError if they are one person already.
        """
        return await self._attempt(lambda connection: _merge(connection, self._catalogue, user_id, source_user_id, by))

    async def undo(self, user_id: str, source_user_id: str, *, by: Actor) -> UndoResult:
        """Undo the merge of a user into another one.

        Each gets back what they would have alone; rows since the merge go by the ids that their events carry. Raises
        NotFoundError if there is no such merge, ConflictError if a later one must be undone first.
        """
        return await self._attempt(
            lambda connection: undo_merge(connection, self._catalogue, user_id, source_user_id, by)
        )

    async def _attempt(self, act: Callable[[Connection], Awaitable[T]]) -> T:
        async def try_once() -> T:
            while True:
                try:
                    async with self._database.transaction() as connection:
                        return await act(connection)
                except PeopleDueError as due:
                    await report_due(self._database, self._catalogue, due.ids, due.at)

        return await retry_moved(try_once, "the identities of these users keep changing; send it again")


async def _merge(
    connection: Connection, catalogue: Catalogue, user_id: str, source_user_id: str, by: Actor
) -> MergeResult:
    found = await lock_users(connection, [user_id, source_user_id])
    traits = await computed_traits.load_deployed(connection)
    target_id, source_id = (find_profile(found, each) for each in (user_id, source_user_id))
    if source_id == target_id:
        raise ConflictError(f"{user_id} and {source_user_id} are one person already", user_id=user_id)
    ids = [source_id, target_id]
    people = await (await profiles.lock(connection, ids, with_said=ids)).get()
    settled = await require_settled(connection, catalogue, ids)
    merged = {source_id: target_id}
    source = Source("operator", by.name, connection.clock.now(), by.name)
    await lock_accounts_of(connection, ids)
    if ended := await journeys.end_doubles(connection, merged, source.at):
        await outbox.append(connection, [routing.exit_message(workflow_id, "merged") for workflow_id in ended])
    watched = (await catalogue.listeners(connection)).watched_traits
    topics = (await catalogue.load_segments(connection)).topics
    result = await merge_people(
        connection, merged, people, {source_id: source}, traits, watched, source.at, topics, is_reversible=True
    )
    emptied = await hand_over_of_strangers(connection, [target_id])
    await wake_held(connection, [target_id])
    identity_change = build_identity_change(target_id, "merged", source_id, source)
    await profile_changes.insert(connection, [identity_change, *result.history])
    cause = Cause(uuid7(), people[target_id].user_id, None, source.at)
    await report_changes(connection, catalogue, cause, source, result.changes, settled, judged=[target_id])
    row = await merges.by_source(connection, source_id)
    if row is None:
        raise ValueError("the merge was recorded in this transaction")
    target_user_id = people[target_id].user_id or user_id
    await audit.record(connection, by, "user.merge", target_user_id, {"from": row.source_user_id})
    return MergeResult(
        target_user_id,
        _view(row),
        sorted([*await merges.find_ended(connection, target_id, row.at), *emptied]),
        await merges.find_contaminated(connection, target_id),
        [_describe_left_out(refusal) for refusal in result.refusals],
    )


def _describe_left_out(refusal: Refusal) -> LeftOutTrait:
    return LeftOutTrait(f"{refusal.statement.part}.{refusal.statement.name}", refusal.reason)


def _view(row: Merge) -> MergeView:
    return MergeView(row.source_user_id, row.source_id, row.at, row.merged_by, row.is_reversible)
