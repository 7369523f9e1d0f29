"""Recorded events with what they did, in the order of their transactions.

Decisions and goals are recorded in the transaction of their event, and found by it: nothing is written for viewers.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from msgspec import Struct

from domain.journey.routing_records import ENTRY, EXIT, effect_of
from domain.stream import StreamPosition
from domain.tracking.event import EventType, Trigger
from store.database import Connection

LiveResultKind = Literal["entered", "refused", "ended", "goal", "rejected"]
# The events of one look that are counted, and among which the sample is drawn.
MAX_COUNTED: Final = 10_000
# A transaction that stores rejects commits so long after their arrival at most. Seconds.
REJECTS_OVERLAP: Final = timedelta(seconds=10)


class LiveFilter(Struct, frozen=True):
    """The events of one person, by any id, and those of one name or type; None of all."""

    user: str | None = None
    event: str | None = None


class LiveResult(Struct, frozen=True):
    """One effect of an event; `reason` says why it was refused or ended a journey."""

    what: LiveResultKind
    campaign: str | None = None
    reason: str | None = None


class LiveEvent(Struct, frozen=True):
    """A recorded event, or a refused call, whose name is unknown.

    `user_id` is that of the event, else of its person.
    """

    at: datetime
    user_id: str | None
    anonymous_id: str | None
    event: str | None
    source: str
    result: Sequence[LiveResult]


class LivePage(Struct, frozen=True):
    """Events with their positions, and how many more there were, up to MAX_COUNTED."""

    events: Sequence[tuple[StreamPosition, LiveEvent]]
    left_out: int


_RANGE: Final = """
recorded_xid >= %(xid)s AND recorded_xid < %(below)s AND (recorded_xid > %(xid)s OR events.id > %(id)s)
AND (%(user)s::text IS NULL OR profile_id IN (SELECT profile_id FROM identities WHERE value = %(user)s))
AND (%(event)s::text IS NULL OR name = %(event)s OR type = %(event)s)
"""
# A hash of the id is as good as a die: each event of a second has the same chance, and all viewers see the same ones.
_PAGE: Final = f"""
SELECT recorded_xid, taken.id, recorded_at, COALESCE(taken.user_id, profiles.user_id) AS user_id, anonymous_id, type,
       name, source, number
FROM (
  SELECT *, count(*) OVER () AS number
  FROM (SELECT recorded_xid, id, recorded_at, user_id, anonymous_id, type, source, profile_id,
               CASE WHEN type = 'group' THEN group_id ELSE name END AS name
        FROM events WHERE {_RANGE} ORDER BY recorded_xid LIMIT %(counted)s) AS found
  ORDER BY uuid_hash(id) LIMIT %(limit)s) AS taken
LEFT JOIN profiles ON profiles.id = profile_id ORDER BY recorded_xid, taken.id
"""  # noqa: S608 -- a constant above
_RESULTS: Final = """
SELECT event_id, kind, outcome, campaign_key, reason FROM decisions
WHERE recorded_xid = ANY(%(xids)s) AND event_id = ANY(%(ids)s) AND kind = ANY(%(kinds)s)
UNION ALL
SELECT event_id, NULL, NULL, campaign_key, NULL FROM conversions
WHERE recorded_xid = ANY(%(xids)s) AND event_id = ANY(%(ids)s)
"""


async def read_page(
    connection: Connection, after: StreamPosition, below: int, which: LiveFilter, limit: int
) -> LivePage:
    """Return the events between a position and the horizon, or a fair sample."""
    xid, id = after.after_id("event")
    place = {"xid": xid, "id": id, "below": below, "user": which.user, "event": which.event}
    cursor = await connection.execute(_PAGE, {**place, "limit": limit, "counted": MAX_COUNTED}, prepare=True)
    rows = await cursor.fetchall()
    number = rows[0]["number"] if rows else 0
    results = await _read_results(connection, rows)
    found = [
        (StreamPosition(row["recorded_xid"], "event", row["id"]), _as_event(row, results[str(row["id"])]))
        for row in rows
    ]
    return LivePage(found, number - len(rows))


async def _read_results(connection: Connection, rows: Sequence[dict[str, Any]]) -> dict[str, list[LiveResult]]:
    found: dict[str, list[LiveResult]] = defaultdict(list)
    if not rows:
        return found
    named = {
        "xids": list({row["recorded_xid"] for row in rows}),
        "ids": [str(row["id"]) for row in rows],
        "kinds": [ENTRY, EXIT],
    }
    async for row in await connection.execute(_RESULTS, named, prepare=True):
        is_goal = row["kind"] is None
        what: LiveResultKind = "goal" if is_goal else effect_of(row["kind"], row["outcome"])
        found[row["event_id"]].append(LiveResult(what, row["campaign_key"], row["reason"]))
    return found


def _as_event(row: dict[str, Any], result: Sequence[LiveResult]) -> LiveEvent:
    type: EventType = row["type"]
    label = Trigger(type, row["name"]).label
    return LiveEvent(row["recorded_at"], row["user_id"], row["anonymous_id"], label, row["source"], result)


class LiveReject(Struct, frozen=True):
    """A refused call, or a part that was left out, by the id of its row."""

    id: int
    event: LiveEvent


async def read_rejects(
    connection: Connection, since: datetime, which: LiveFilter, but: Collection[int]
) -> list[LiveReject]:
    """Return calls and parts refused since an instant, except some, the newest first.

    There are MAX_COUNTED at most. A refused call names no event.
    """
    if which.event is not None:
        return []
    cursor = await connection.execute(
        """
        SELECT id, received_at, user_id, anonymous_id, source, part FROM rejects
        WHERE received_at > %(since)s AND (%(user)s::text IS NULL OR user_id = %(user)s OR anonymous_id = %(user)s)
          AND id <> ALL(%(but)s)
        ORDER BY received_at DESC, id DESC LIMIT %(counted)s
        """,
        {"since": since, "user": which.user, "but": list(but), "counted": MAX_COUNTED},
        prepare=True,
    )
    return [
        LiveReject(
            row["id"],
            LiveEvent(
                row["received_at"],
                row["user_id"],
                row["anonymous_id"],
                None,
                row["source"],
                (LiveResult("rejected", None, "refused" if row["part"] is None else f"left out: {row['part']}"),),
            ),
        )
        async for row in cursor
    ]
