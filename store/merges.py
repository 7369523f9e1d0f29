"""Merges of profiles: which was merged into which, and what an undo needs."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct, convert
from psycopg.types.json import Jsonb

from domain.people.identity import Identity
from store.arms import IS_ARM
from store.database import Connection


class Snapshot(Struct, frozen=True):
    """Both profiles before the merge, and the rows that do not say whose they were.

    `source` and `target` are rows of `profiles`. `identities` are the source's: kind, value, and whether it was a
    former user id. `changes` are its history, and `decisions` those of no journey. The journeys of accounts that it
    has are `journeys`; `decisions` and `messages` have those about it of such journeys. `memberships` are its
    changes of segments, and `devices` the addresses of its devices.
    """

    source: dict[str, Any]
    target: dict[str, Any]
    identities: list[tuple[str, str, bool]]
    changes: list[UUID]
    decisions: list[UUID]
    journeys: list[UUID] = []
    messages: list[UUID] = []
    memberships: list[int] = []
    devices: list[str] = []

    @property
    def first_event_at(self) -> datetime:
        """The creation of the source, before which it has no events."""
        return datetime.fromisoformat(self.source["created_at"])


class Merge(Struct, frozen=True):
    """A merge of two profiles.

    `target_id` is the profile of the merge, `profile_id` the one that has its rows now. `source_user_id` is
    None for an anonymous profile, whose merge by an event cannot be undone.
    """

    source_id: UUID
    target_id: UUID
    profile_id: UUID
    source_user_id: str | None
    merged_by: str
    at: datetime
    snapshot: Snapshot | None = None

    @property
    def is_reversible(self) -> bool:
        """Whether it can be undone: an operator merged two users."""
        return self.source_user_id is not None


class Contamination(Struct, frozen=True):
    """A split of which a person's journeys took several arms."""

    campaign: str
    step: str
    arms: list[str]


_USERS = """
SELECT kind, value, profile_id, is_former FROM identities
WHERE profile_id IN (SELECT named.profile_id FROM identities AS named WHERE kind = 'user' AND value = ANY(%s))
ORDER BY kind, value
"""


async def lock_users(connection: Connection, user_ids: Collection[str]) -> dict[Identity, UUID] | None:
    """Lock all identities of users, so that no event of theirs is under way.

    None if they changed while this waited: the caller must then roll back and try again.
    """
    locked = await (await connection.execute(f"{_USERS} FOR UPDATE", (list(user_ids),))).fetchall()
    # A statement that waited reads the locked rows anew, and the profiles of the named users as they were before.
    found = await (await connection.execute(_USERS, (list(user_ids),))).fetchall()
    if locked != found:
        return None
    return {Identity(row["kind"], row["value"]): row["profile_id"] for row in found}


_RECORD = """
INSERT INTO profile_merges (source_id, target_id, profile_id, source_user_id, merged_by, snapshot)
SELECT merging.id, staying.id, staying.id, merging.user_id, item.by, CASE WHEN item.reversible THEN jsonb_build_object(
    'source', to_jsonb(merging), 'target', to_jsonb(staying),
    'identities', (SELECT jsonb_agg(jsonb_build_array(kind, value, is_former)) FROM identities
                   WHERE identities.profile_id = merging.id),
    'changes', (SELECT COALESCE(jsonb_agg(id), '[]') FROM profile_changes
                WHERE profile_changes.profile_id = merging.id),
    'decisions', (SELECT COALESCE(jsonb_agg(decisions.id), '[]') FROM decisions
                  LEFT JOIN journeys ON journeys.id = journey_id
                  WHERE decisions.profile_id = merging.id AND (journey_id IS NULL OR account_id IS NOT NULL)),
    'journeys', (SELECT COALESCE(jsonb_agg(id), '[]') FROM journeys
                 WHERE journeys.profile_id = merging.id AND account_id IS NOT NULL),
    'messages', (SELECT COALESCE(jsonb_agg(messages.id), '[]') FROM messages JOIN journeys ON journeys.id = journey_id
                 WHERE messages.profile_id = merging.id AND account_id IS NOT NULL),
    'memberships', (SELECT COALESCE(jsonb_agg(id), '[]') FROM segment_changes
                    WHERE segment_changes.profile_id = merging.id),
    'devices', (SELECT COALESCE(jsonb_agg(value), '[]') FROM device_addresses
                WHERE device_addresses.profile_id = merging.id)) END
FROM jsonb_to_recordset(%s) AS item (source uuid, target uuid, by text, reversible boolean)
JOIN profiles AS merging ON merging.id = item.source
JOIN profiles AS staying ON staying.id = item.target
"""


async def record(
    connection: Connection, merged: Mapping[UUID, UUID], by: Mapping[UUID, str], *, is_reversible: bool
) -> None:
    """Record merges of locked profiles before their rows move.

    `by` is the event, or the name of the operator.
    """
    items = [
        {"source": source, "target": target, "by": by[source], "reversible": is_reversible}
        for source, target in merged.items()
    ]
    await connection.execute(_RECORD, (Jsonb(items),))


_MERGE = "SELECT source_id, target_id, profile_id, source_user_id, merged_by, at"


async def find(connection: Connection, source_user_id: str) -> Merge | None:
    """Return the merge of a user into another, with its snapshot."""
    cursor = await connection.execute(
        f"{_MERGE}, snapshot FROM profile_merges WHERE source_user_id = %s",
        (source_user_id,),
    )
    row = await cursor.fetchone()
    return None if row is None else _read(row)


async def by_source(connection: Connection, source_id: UUID) -> Merge | None:
    """Return the merge of a profile into another, without its snapshot."""
    cursor = await connection.execute(f"{_MERGE} FROM profile_merges WHERE source_id = %s", (source_id,))
    row = await cursor.fetchone()
    return None if row is None else Merge(**row)


async def after(connection: Connection, merge: Merge) -> list[Merge]:
    """Return later merges into the same profile; those by operators with snapshots."""
    cursor = await connection.execute(
        f"""
        {_MERGE}, snapshot FROM profile_merges
        WHERE profile_id = %s AND target_id = %s AND at >= %s AND source_id <> %s ORDER BY at, source_id
        """,
        (merge.profile_id, merge.target_id, merge.at, merge.source_id),
    )
    return [_read(row) async for row in cursor]


async def page(
    connection: Connection, profile_id: UUID, *, limit: int, before: tuple[datetime, UUID] | None
) -> list[Merge]:
    """Return the merges into a profile, the newest first, before (at, source_id)."""
    at, source_id = before or (None, None)
    cursor = await connection.execute(
        f"""
        {_MERGE} FROM profile_merges
        WHERE profile_id = %s AND (%s::timestamptz IS NULL OR (at, source_id) < (%s::timestamptz, %s::uuid))
        ORDER BY at DESC, source_id DESC LIMIT %s
        """,
        (profile_id, at, at, source_id, limit),
    )
    return [Merge(**row) async for row in cursor]


async def rewrite_target(connection: Connection, source_id: UUID, columns: Mapping[str, Any]) -> None:
    """Replace values of the target in the snapshot of a merge."""
    await connection.execute(
        """
        UPDATE profile_merges SET snapshot = jsonb_set(snapshot, '{target}', snapshot -> 'target' || %s)
        WHERE source_id = %s
        """,
        (Jsonb(columns), source_id),
    )


async def find_contaminated(connection: Connection, profile_id: UUID) -> list[Contamination]:
    """Return the splits with several arms of one person, as after a merge."""
    cursor = await connection.execute(
        f"""
        SELECT campaign_key AS campaign, step, array_agg(DISTINCT outcome ORDER BY outcome) AS arms
        FROM decisions WHERE profile_id = %s AND {IS_ARM}
        GROUP BY campaign_key, step HAVING count(DISTINCT outcome) > 1 ORDER BY campaign_key, step
        """,  # noqa: S608 -- a constant
        (profile_id,),
    )
    return [Contamination(**row) async for row in cursor]


async def find_ended(connection: Connection, profile_id: UUID, since: datetime) -> list[UUID]:
    """Return the journeys of a profile that a merge ended, from the merge on."""
    cursor = await connection.execute(
        """
        SELECT id FROM journeys
        WHERE profile_id = %s AND outcome = 'merged' AND ended_recorded_at >= %s ORDER BY id
        """,
        (profile_id, since),
    )
    return [row["id"] async for row in cursor]


def _read(row: Mapping[str, Any]) -> Merge:
    snapshot = row["snapshot"]
    return Merge(**{**row, "snapshot": None if snapshot is None else convert(snapshot, Snapshot)})
