"""The stream: all committed rows, in the order of their transactions.

Transaction ids are given in order, but a transaction may commit after a later one. So a page ends below the oldest
transaction that is still open in the cluster (`xmin` of a snapshot): all before it are decided, and no row can appear
there any more. A clock or a sequence has no such bound.

Rows of one page are at least once: a merge of profiles may have moved one since, and an erasure may have removed one.
"""

import heapq
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from domain.errors import UnavailableError
from domain.sending.claim import MessageState
from domain.stream import STREAM_KINDS, ProfileOutcome, StreamKind, StreamPosition, end_of
from domain.tracking.event import Event, Trust
from store.database import Connection, PendingResult


class StreamedEvent(Struct, frozen=True):
    """A committed event."""

    position: StreamPosition
    recorded_at: datetime
    received_at: datetime
    profile_id: UUID
    event: Event


class StreamedDecision(Struct, frozen=True, kw_only=True):
    """A committed decision. `user_id` is that of the profile now."""

    position: StreamPosition
    recorded_at: datetime
    at: datetime
    profile_id: UUID
    user_id: str | None
    campaign_key: str
    journey_id: UUID | None
    event_id: str | None
    step: str | None
    kind: str
    outcome: str
    reason: str | None
    data: dict[str, Any]


class StreamedMessage(Struct, frozen=True, kw_only=True):
    """A committed change of a message: the state, and the message as it is now."""

    position: StreamPosition
    recorded_at: datetime
    message_id: UUID
    state: MessageState
    reason: str | None
    profile_id: UUID
    user_id: str | None
    campaign_key: str
    journey_id: UUID
    step: str
    visit: int
    channel: str
    category: str
    template: str
    provider: str | None
    provider_id: str | None


class StreamedConversion(Struct, frozen=True, kw_only=True):
    """A committed conversion."""

    position: StreamPosition
    recorded_at: datetime
    at: datetime
    profile_id: UUID
    user_id: str | None
    campaign_key: str
    campaign_version: int
    journey_id: UUID
    event_id: str
    message_id: UUID | None
    arms: dict[str, str]


class StreamedProfile(Struct, frozen=True, kw_only=True):
    """A profile whose rows have gone to `target_id`, come back, or been erased."""

    position: StreamPosition
    recorded_at: datetime
    profile_id: UUID
    outcome: ProfileOutcome
    target_id: UUID | None


StreamRow = StreamedEvent | StreamedDecision | StreamedMessage | StreamedConversion | StreamedProfile


class StreamPage(Struct, frozen=True):
    """Rows in order, and the position to read on from: that of the last, or the end."""

    rows: Sequence[StreamRow]
    end: StreamPosition
    has_more: bool


class Horizon(Struct, frozen=True):
    """The end of the stream at an instant.

    All transactions below `xid` have ended, and `next_xid` is the next one. `system_identifier` names the cluster, and
    `at` is the instant by its clock.
    """

    xid: int
    next_xid: int
    system_identifier: int
    at: datetime


async def read_horizon(connection: Connection) -> Horizon:
    """Return the bounds of the stream now.

    Raises UnavailableError for a database from another cluster that was not migrated since.
    """
    cursor = await connection.execute(
        """
        SELECT base + pg_snapshot_xmin(snapshot)::text::bigint AS xid,
               base + pg_snapshot_xmax(snapshot)::text::bigint AS next_xid,
               stream_origin.system_identifier, clock_timestamp() AS at,
               stream_origin.system_identifier = cluster.system_identifier AS is_home
        FROM stream_origin, pg_current_snapshot() AS snapshot, pg_control_system() AS cluster
        """
    )
    row = await cursor.fetchone()
    if row is None or not row.pop("is_home"):
        raise UnavailableError("the database was restored into another cluster: run `sojourn migrate`")
    return Horizon(**row)


async def read_page(
    connection: Connection, horizon: Horizon, after: StreamPosition, kinds: Collection[StreamKind], limit: int
) -> StreamPage:
    """Return the rows of some kinds after a position, below the horizon.

    Statements later than the horizon see all of them: their transactions had ended then.
    """
    end = end_of(horizon.xid - 1)
    async with connection.pipeline():
        pending = [
            await _read_kind(connection, kind, after, horizon.xid, limit + 1) for kind in STREAM_KINDS if kind in kinds
        ]
        found = [await one.get() for one in pending]
    rows = list(heapq.merge(*found, key=lambda row: row.position.place))
    if len(rows) > limit:
        return StreamPage(rows[:limit], rows[limit - 1].position, has_more=True)
    return StreamPage(rows, max(after, end, key=lambda position: position.place), has_more=False)


async def last_recorded(connection: Connection, xid: int) -> datetime | None:
    """Return when the last rows up to a transaction were recorded; None without any."""
    cursor = await connection.execute(
        """
        SELECT greatest(
          (SELECT recorded_at FROM events WHERE recorded_xid <= %(xid)s ORDER BY recorded_xid DESC LIMIT 1),
          (SELECT recorded_at FROM decisions WHERE recorded_xid <= %(xid)s ORDER BY recorded_xid DESC LIMIT 1),
          (SELECT recorded_at FROM message_changes WHERE recorded_xid <= %(xid)s ORDER BY recorded_xid DESC LIMIT 1),
          (SELECT recorded_at FROM conversions WHERE recorded_xid <= %(xid)s ORDER BY recorded_xid DESC LIMIT 1),
          (SELECT recorded_at FROM moved_profiles WHERE recorded_xid <= %(xid)s ORDER BY recorded_xid DESC LIMIT 1)
        ) AS recorded_at
        """,
        {"xid": xid},
    )
    row = await cursor.fetchone()
    return row["recorded_at"] if row else None


_TAKEN = "WHERE recorded_xid >= %(xid)s AND recorded_xid < %(below)s AND (recorded_xid > %(xid)s OR id > %(id)s)"
# The limit is inside, so that the join is for the rows of the page alone.
_STATEMENTS: dict[StreamKind, str] = {
    "event": f"""
        SELECT recorded_xid, recorded_at, received_at, id, profile_id, source, message_id, type, name, user_id,
               anonymous_id, previous_id, group_id, properties, context, timestamp, reported_timestamp, integrations,
               is_history, trust
        FROM events {_TAKEN} ORDER BY recorded_xid, id LIMIT %(limit)s
        """,  # noqa: S608 -- a constant above
    "decision": f"""
        SELECT recorded_xid, recorded_at, taken.id, at, profile_id, profiles.user_id, campaign_key, journey_id,
               event_id, step, kind, outcome, reason, data
        FROM (SELECT * FROM decisions {_TAKEN} ORDER BY recorded_xid, id LIMIT %(limit)s) AS taken
        LEFT JOIN profiles ON profiles.id = profile_id ORDER BY recorded_xid, taken.id
        """,  # noqa: S608 -- a constant above
    "message": f"""
        SELECT recorded_xid, recorded_at, taken.id, message_id, taken.state, taken.reason, profile_id,
               profiles.user_id, campaign_key, journey_id, step, visit, messages.channel, messages.category, template,
               messages.provider, provider_id
        FROM (SELECT * FROM message_changes {_TAKEN} ORDER BY recorded_xid, id LIMIT %(limit)s) AS taken
        JOIN messages ON messages.id = message_id
        LEFT JOIN profiles ON profiles.id = profile_id ORDER BY recorded_xid, taken.id
        """,  # noqa: S608 -- a constant above
    "conversion": f"""
        SELECT recorded_xid, recorded_at, at, profile_id, profiles.user_id, campaign_key, campaign_version,
               taken.id, journey_id, event_id, message_id, arms
        FROM (SELECT * FROM (SELECT journey_id AS id, * FROM conversions) AS conversions
              {_TAKEN} ORDER BY recorded_xid, id LIMIT %(limit)s) AS taken
        LEFT JOIN profiles ON profiles.id = profile_id ORDER BY recorded_xid, taken.id
        """,  # noqa: S608 -- a constant above
    "profile": f"""
        SELECT recorded_xid, recorded_at, id, source_id AS profile_id, outcome, target_id
        FROM moved_profiles {_TAKEN} ORDER BY recorded_xid, id LIMIT %(limit)s
        """,  # noqa: S608 -- a constant above
}


async def _read_kind(
    connection: Connection, kind: StreamKind, after: StreamPosition, below: int, limit: int
) -> PendingResult[list[StreamRow]]:
    xid, id = after.after_id(kind)
    cursor = await connection.execute(
        _STATEMENTS[kind], {"xid": xid, "id": id, "below": below, "limit": limit}, prepare=True
    )
    return PendingResult(cursor, lambda rows: [_as_streamed(kind, row) for row in rows])


def _as_streamed(kind: StreamKind, row: dict[str, Any]) -> StreamRow:
    position = StreamPosition(row.pop("recorded_xid"), kind, row["id"])
    recorded_at = row.pop("recorded_at")
    match kind:
        case "event":
            received_at, profile_id = row.pop("received_at"), row.pop("profile_id")
            event = Event(**{**row, "trust": Trust(row["trust"])})
            return StreamedEvent(position, recorded_at, received_at, profile_id, event)
        case "decision":
            del row["id"]
            return StreamedDecision(position=position, recorded_at=recorded_at, **row)
        case "message":
            del row["id"]
            return StreamedMessage(position=position, recorded_at=recorded_at, **row)
        case "conversion":
            del row["id"]
            return StreamedConversion(position=position, recorded_at=recorded_at, **row)
        case "profile":
            del row["id"]
            return StreamedProfile(position=position, recorded_at=recorded_at, **row)
