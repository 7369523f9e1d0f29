"""The copy of the stream in ClickHouse, for queries; nothing is decided by it."""

from collections.abc import Collection, Sequence
from typing import Any, Final, assert_never

import msgspec

from domain.stream import STREAM_KINDS, StreamKind
from store.clickhouse import ClickHouse
from store.database import Connection
from store.stream import (
    StreamedConversion,
    StreamedDecision,
    StreamedEvent,
    StreamedMessage,
    StreamedProfile,
    StreamRow,
)

_TABLES: Final[dict[StreamKind, str]] = {
    "event": "sojourn_events",
    "decision": "sojourn_decisions",
    "message": "sojourn_messages",
    "conversion": "sojourn_conversions",
    "profile": "sojourn_moved_profiles",
}


class ClickHouseSink:
    """Copies each page of the stream, then deletes the people who were erased.

    A page whose answer was lost is copied again. An erased person's rows precede the erasure in the stream, so that no
    copy follows the deletion.
    """

    name = "clickhouse"
    kinds: Collection[StreamKind] = STREAM_KINDS

    def __init__(self, clickhouse: ClickHouse) -> None:
        self._clickhouse = clickhouse
        self._is_prepared = False

    async def consume(self, connection: Connection, rows: Sequence[StreamRow]) -> None:
        """Copy a page. Raises ClickHouseError."""
        if not self._is_prepared:
            await self._clickhouse.prepare()
            self._is_prepared = True
        for kind, table in _TABLES.items():
            copied = [row for row in rows if row.position.kind == kind]
            if copied:
                first, last = copied[0].position, copied[-1].position
                token = f"{first.xid}.{first.id}-{last.xid}.{last.id}"
                await self._clickhouse.insert(table, [_as_copied(row) for row in copied], token)
        erased = [row.profile_id for row in rows if isinstance(row, StreamedProfile) and row.outcome == "erased"]
        if erased:
            await self._clickhouse.erase(erased)


def _as_copied(row: StreamRow) -> dict[str, Any]:
    common = {"position": row.position.xid, "recorded_at": row.recorded_at, "profile_id": row.profile_id}
    match row:
        case StreamedEvent(event=event):
            return {
                **common,
                "id": event.id,
                "user_id": event.user_id,
                "source": event.source,
                "message_id": event.message_id,
                "type": event.type,
                "name": event.name or "",
                "anonymous_id": event.anonymous_id,
                "previous_id": event.previous_id,
                "group_id": event.group_id,
                "properties": _json(event.properties),
                "context": _json(event.context),
                "timestamp": event.timestamp,
                "received_at": row.received_at,
                "is_history": event.is_history,
            }
        case StreamedDecision():
            return {**_members(row), **common, "id": row.position.id, "data": _json(row.data)}
        case StreamedMessage() | StreamedConversion():
            return {**_members(row), **common, "id": row.position.id}
        case StreamedProfile():
            return {**common, "target_id": row.target_id, "outcome": row.outcome}
        case _:
            assert_never(row)


def _members(row: StreamedDecision | StreamedMessage | StreamedConversion) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__struct_fields__ if name != "position"}


def _json(value: dict[str, Any]) -> str:
    return msgspec.json.encode(value).decode()
