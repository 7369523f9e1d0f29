"""Wake journeys whose person is no longer on hold, without a release of the hold."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from domain.people.segments.definition import RecordedChange
from store import held_journeys, holds, outbox, segments
from store.database import Connection
from store.outbox import OutboxMessage


async def write_membership_changes(connection: Connection, changes: Sequence[RecordedChange]) -> None:
    """Write who joined and left segments, and wake journeys of those who left.

    A segment on hold has held them. The caller locks the people, and writes their states.
    """
    await segments.write_changes(connection, changes)
    left: dict[UUID, set[str]] = {}
    for one in changes:
        if not one.change.has_joined:
            left.setdefault(one.profile_id, set()).add(one.change.key)
    await wake_who_left(connection, "segment", left)


async def wake_who_left(connection: Connection, kind: str, left: Mapping[UUID, Collection[str]]) -> None:
    """Wake the held journeys of locked people who left a segment or an area on hold."""
    if not left:
        return
    on_hold = {group.key for group in await holds.list_groups(connection) if group.kind == kind}
    await wake_held(connection, [id for id, keys in left.items() if not on_hold.isdisjoint(keys)])


async def wake_held(connection: Connection, profile_ids: Collection[UUID]) -> None:
    """Let held journeys and retries of locked people ask the gate again.

    One that is still on hold is held again.
    """
    if profile_ids and (waiting := await held_journeys.find_of_people(connection, profile_ids)):
        await outbox.append(connection, [OutboxMessage(id, "resume", {}) for id in waiting])
