"""Merges of two known users by an operator, and their undo."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar, get_args
from uuid import UUID

from msgspec import convert
from psycopg.errors import DeadlockDetected
from uuid_utils.compat import uuid7

from application import routing
from application.accounts import restate_memberships
from application.activity_states import load_server_sources, relearn
from application.catalogue import Catalogue
from application.computed_states import compare_values, read_values, recount
from application.derived_events import report_changes
from application.people import build_history, merge_people, unknown_person
from domain.access import Actor
from domain.errors import ConflictError, NotFoundError, UnavailableError
from domain.people.derived_events import Cause, value_changes
from domain.people.identity import Identity, PersonRef
from domain.people.profile_state import Folded, Part, PartChange, ProfileState, Refusal, Source, Statement
from domain.people.separation import sayings, separate
from domain.people.statements import event_source, statements_of
from domain.tracking.event import Trust
from store import audit, campaigns, computed_traits, journeys, merges, outbox, profile_changes, profiles, separation
from store.database import Connection, Database
from store.merges import Contamination, Merge, Snapshot
from store.profile_changes import ProfileChange
from store.profiles import Profile
from store.separation import ReceivedEvent

# Events of the two users may change their identities meanwhile; then the merge is tried again.
ATTEMPTS = 12

T = TypeVar("T")


class _IdentitiesMoved(Exception):
    """The identities of a user changed while their locks were waited for."""


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
class UndoResult:
    """An undone merge. Journeys that the merge had ended do not go on."""

    source: str
    target: str
    not_resumed: list[UUID]


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
        return await self._attempt(lambda connection: _undo(connection, self._catalogue, user_id, source_user_id, by))

    async def _attempt(self, act: Callable[[Connection], Awaitable[T]]) -> T:
        for _ in range(ATTEMPTS):
            try:
                async with self._database.transaction() as connection:
                    return await act(connection)
            except (_IdentitiesMoved, DeadlockDetected):
                continue
        raise UnavailableError("the identities of these users keep changing; send it again", retry_after=1)


async def _merge(
    connection: Connection, catalogue: Catalogue, user_id: str, source_user_id: str, by: Actor
) -> MergeResult:
    found = await _lock(connection, [user_id, source_user_id])
    traits = await computed_traits.load_deployed(connection)
    target_id, source_id = (_profile_of(found, each) for each in (user_id, source_user_id))
    if source_id == target_id:
        raise ConflictError(f"{user_id} and {source_user_id} are one person already", user_id=user_id)
    ids = [source_id, target_id]
    people = await (await profiles.lock(connection, ids, with_said=ids)).get()
    merged = {source_id: target_id}
    source = Source("operator", by.name, connection.clock.now(), by.name)
    if ended := await journeys.end_doubles(connection, merged, source.at):
        await outbox.append(connection, [routing.exit_message(workflow_id, "merged") for workflow_id in ended])
    watched = (await catalogue.listeners(connection)).watched_traits
    result = await merge_people(
        connection, merged, people, {source_id: source}, traits, watched, source.at, is_reversible=True
    )
    identity_change = _identity_change(target_id, "merged", source_id, source)
    await profile_changes.insert(connection, [identity_change, *result.history])
    cause = Cause(uuid7(), people[target_id].user_id, None, source.at)
    await report_changes(connection, catalogue, cause, result.changes)
    row = await merges.by_source(connection, source_id)
    if row is None:
        raise ValueError("the merge was recorded in this transaction")
    target_user_id = people[target_id].user_id or user_id
    await audit.record(connection, by, "user.merge", target_user_id, {"from": row.source_user_id})
    return MergeResult(
        target_user_id,
        _view(row),
        await merges.find_ended(connection, target_id, row.at),
        await merges.find_contaminated(connection, target_id),
        [_describe_left_out(refusal) for refusal in result.refusals],
    )


async def _undo(
    connection: Connection, catalogue: Catalogue, user_id: str, source_user_id: str, by: Actor
) -> UndoResult:
    found = await _lock(connection, [user_id])
    traits = await computed_traits.load_deployed(connection)
    target_id = _profile_of(found, user_id)
    merge = await merges.find(connection, source_user_id)
    if merge is None or merge.profile_id != target_id or merge.snapshot is None:
        raise NotFoundError(f"{source_user_id} was not merged into {user_id}", user_id=user_id)
    if merge.target_id != target_id:
        raise await _later_first(connection, merge)
    people = await (await profiles.lock(connection, [target_id], with_said=[target_id])).get()
    own = {Identity(kind, value) for kind, value, _ in merge.snapshot.identities}
    others = await merges.after(connection, merge)
    await separation.restore(connection, merge)
    now, watched = connection.clock.now(), (await catalogue.listeners(connection)).watched_traits
    before = await read_values(connection, [target_id], traits, watched, now)
    returning = own | await separation.identities_since(connection, merge, own)
    is_untouched = await separation.restore_target(connection, merge)
    await separation.return_rows(connection, merge, returning)
    await recount(connection, [merge.source_id, target_id], traits.definitions, are_all=True, look_at=now)
    await relearn(connection, [merge.source_id, target_id], await load_server_sources(connection))
    await restate_memberships(connection, [merge.source_id, target_id])
    after = await read_values(connection, [target_id], traits, watched, now)
    source = Source("operator", by.name, now, by.name)
    person = people[target_id]
    changes = await _separate_values(
        connection, merge, merge.snapshot, person, others, source, is_untouched=is_untouched
    )
    separated = build_history(target_id, Folded(person.state(), True, changes, []))
    await profile_changes.insert(
        connection, [_identity_change(target_id, "separated", merge.source_id, source), *separated]
    )
    reported = [
        *value_changes(person.consent_given, person.suppressed, changes),
        *compare_values(before[target_id], after[target_id], source, traits),
    ]
    cause = Cause(uuid7(), person.user_id, None, now)
    await report_changes(connection, catalogue, cause, ((target_id, change) for change in reported))
    target_user_id = person.user_id or user_id
    await audit.record(connection, by, "user.unmerge", target_user_id, {"from": source_user_id})
    not_resumed = await merges.find_ended(connection, merge.source_id, merge.at)
    return UndoResult(source_user_id, target_user_id, not_resumed)


async def _separate_values(
    connection: Connection,
    merge: Merge,
    snapshot: Snapshot,
    person: Profile,
    others: Sequence[Merge],
    undo: Source,
    *,
    is_untouched: bool,
) -> list[PartChange]:
    """Write the values of both profiles after their rows were separated.

    Returns the changes of the one that stays.
    """
    now = person.state()
    source, target = _state(snapshot.source), _state(snapshot.target)
    known = sayings(target) | sayings(source)
    ids = {said.id for part, name, said in sayings(now) if (part, name, said) not in known}
    mine = await separation.said_since(connection, merge.source_id, merge.at, ids)
    theirs = await separation.said_since(connection, merge.target_id, merge.at, ids)
    apart = separate(
        now,
        source=source,
        target=target,
        source_since=_statements(mine, now),
        target_since=_statements(theirs, now),
        others=[_state(other.snapshot.source) for other in others if other.snapshot is not None],
        undo=undo,
    )
    await _separate_snapshots(connection, others, source, target, undo)
    states = {}
    if mine:
        states[merge.source_id] = apart.source
    if not is_untouched:
        await separation.restore_bucket(connection, merge, is_oldest_known=not others)
        states[merge.target_id] = apart.target
    if states:
        await profiles.write(connection, states)
    return apart.changes


async def _separate_snapshots(
    connection: Connection, others: Sequence[Merge], source: ProfileState, target: ProfileState, undo: Source
) -> None:
    """Take the values of an undone merge out of the snapshots of later merges."""
    between: list[ProfileState] = []
    for other in others:
        if other.snapshot is not None:
            apart = separate(
                _state(other.snapshot.target),
                source=source,
                target=target,
                source_since=[],
                target_since=[],
                others=between,
                undo=undo,
            )
            await merges.rewrite_target(connection, other.source_id, profiles.columns_of(apart.target))
            between.append(_state(other.snapshot.source))


async def _lock(connection: Connection, user_ids: Sequence[str]) -> Mapping[Identity, UUID]:
    """Lock the campaigns, then all identities of these users."""
    await campaigns.lock_registry_shared(connection)
    found = await merges.lock_users(connection, user_ids)
    if found is None:
        raise _IdentitiesMoved
    return found


async def _later_first(connection: Connection, merge: Merge) -> ConflictError:
    """Return the refusal of an undo below a later merge, which it names."""
    outer = await merges.by_source(connection, merge.target_id)
    while outer is not None and outer.target_id != merge.profile_id:
        outer = await merges.by_source(connection, outer.target_id)
    name = None if outer is None else outer.source_user_id
    return ConflictError(
        f"{merge.source_user_id} was merged into {name}, who was merged in turn: undo the merge of {name} first",
        undo_first=name,
    )


def _profile_of(found: Mapping[Identity, UUID], user_id: str) -> UUID:
    profile_id = found.get(Identity("user", user_id))
    if profile_id is None:
        raise unknown_person(PersonRef(user_id, "user"))
    return profile_id


def _state(row: Mapping[str, Any]) -> ProfileState:
    return convert({**row, "consent_given": row["consent"]}, Profile).state()


def _statements(events: Sequence[ReceivedEvent], now: ProfileState) -> list[Statement]:
    """Return statements of verified identifies, and those of all events that hold."""
    sources = {one.event.message_id: event_source(one.event) for one in events}
    statements = [
        Statement(part, name, value, said, sources[said.id])
        for part in get_args(Part)
        for name, value, said in now.part(part).words()
        if said.id in sources
    ]
    for one in events:
        if one.event.trust is Trust.VERIFIED:
            statements += statements_of(one.event, event_source(one.event), one.received_at)
    return statements


def _identity_change(profile_id: UUID, what: str, other: UUID, source: Source) -> ProfileChange:
    changes = {what: [other]}
    return ProfileChange(uuid7(), profile_id, "identity", changes, source.kind, source.id, source.name, source.at)


def _describe_left_out(refusal: Refusal) -> LeftOutTrait:
    return LeftOutTrait(f"{refusal.statement.part}.{refusal.statement.name}", refusal.reason)


def _view(row: Merge) -> MergeView:
    return MergeView(row.source_user_id, row.source_id, row.at, row.merged_by, row.is_reversible)
