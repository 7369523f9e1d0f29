"""The undo of a merge: each person gets back what they would have alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args
from uuid import UUID

from msgspec import convert
from uuid_utils.compat import uuid7

from application.account_journeys import hand_over_of_strangers, lock_accounts_of
from application.accounts import restate_memberships
from application.activity_states import load_server_sources, relearn
from application.catalogue import Catalogue
from application.computed_states import read_values, recount
from application.derived_events import JudgeRequest, judge_people, report_changes
from application.held_journeys import wake_held
from application.identity_locks import find_profile, lock_users
from application.profile_history import build_history, build_identity_change
from application.settled_people import require_settled
from domain.access import Actor
from domain.errors import ConflictError, NotFoundError
from domain.people.computed.changes import list_changes
from domain.people.derived_events import Cause, value_changes
from domain.people.identity import Identity
from domain.people.profile import Profile
from domain.people.profile_state import Part, PartChange, ProfileState, Source, Statement, StateUpdate
from domain.people.separation import sayings, separate
from domain.people.statements import event_source, statements_of
from domain.tracking.event import Trust
from store import account_journeys, audit, computed_traits, merges, profile_changes, profiles, separation
from store.database import Connection
from store.merges import Merge, Snapshot
from store.separation import ReceivedEvent


@dataclass(frozen=True, slots=True)
class UndoResult:
    """An undone merge. Journeys that the merge had ended do not go on."""

    source: str
    target: str
    not_resumed: list[UUID]


async def undo_merge(
    connection: Connection, catalogue: Catalogue, user_id: str, source_user_id: str, by: Actor
) -> UndoResult:
    """Undo the merge of a user into another, in the caller's transaction.

    Raises NotFoundError, ConflictError, IdentityMovedError and PeopleDueError.
    """
    found = await lock_users(connection, [user_id])
    traits = await computed_traits.load_deployed(connection)
    target_id = find_profile(found, user_id)
    merge = await merges.find(connection, source_user_id)
    if merge is None or merge.profile_id != target_id or merge.snapshot is None:
        raise NotFoundError(f"{source_user_id} was not merged into {user_id}", user_id=user_id)
    if merge.target_id != target_id:
        raise await _later_first(connection, merge)
    people = await (await profiles.lock(connection, [target_id], with_said=[target_id])).get()
    settled = await require_settled(connection, catalogue, [target_id])
    await lock_accounts_of(connection, [target_id])
    own = {Identity(kind, value) for kind, value, _ in merge.snapshot.identities}
    others = await merges.after(connection, merge)
    await separation.restore(connection, merge)
    now, watched = connection.clock.now(), (await catalogue.listeners(connection)).watched_traits
    before = await read_values(connection, [target_id], traits, watched, now)
    returning = own | await separation.identities_since(connection, merge, own)
    is_untouched = await separation.restore_target(connection, merge)
    await separation.return_rows(connection, merge, returning)
    segments = await catalogue.load_segments(connection)
    # Both are judged below, if there are segments: not by time, but by the operator.
    look_at = None if segments else now
    await recount(connection, [merge.source_id, target_id], traits.definitions, are_all=True, look_at=look_at)
    await relearn(connection, [merge.source_id, target_id], await load_server_sources(connection))
    await restate_memberships(connection, [merge.source_id, target_id])
    await hand_over_of_strangers(connection, [merge.source_id, target_id])
    after = await read_values(connection, [target_id], traits, watched, now)
    source = Source("operator", by.name, now, by.name)
    person = people[target_id]
    changes = await _separate_values(
        connection, merge, merge.snapshot, person, others, source, is_untouched=is_untouched
    )
    separated = build_history(target_id, StateUpdate(person.state(), True, changes, []))
    await profile_changes.insert(
        connection, [build_identity_change(target_id, "separated", merge.source_id, source), *separated]
    )
    reported = [
        *value_changes(person, changes, segments.topics),
        *list_changes(before[target_id], after[target_id], source, traits),
    ]
    cause = Cause(uuid7(), person.user_id, None, now)
    await judge_people(connection, catalogue, {merge.source_id: JudgeRequest(segments.all, None, source)}, settled)
    changed = ((target_id, change) for change in reported)
    await report_changes(connection, catalogue, cause, source, changed, settled, judged=[target_id])
    # A hold goes with its person, and others may be in an area or a segment on hold no more.
    await wake_held(connection, [merge.source_id, target_id])
    target_user_id = person.user_id or user_id
    await audit.record(connection, by, "user.unmerge", target_user_id, {"from": source_user_id})
    ended = await merges.find_ended(connection, merge.source_id, merge.at)
    emptied = await account_journeys.find_emptied(connection, [merge.source_id, target_id], merge.at)
    return UndoResult(source_user_id, target_user_id, sorted([*ended, *emptied]))


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


def _state(row: Mapping[str, Any]) -> ProfileState:
    return convert({**row, "consent_given": row["consent"], "stated_stage": row["stage"]}, Profile).state()


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
