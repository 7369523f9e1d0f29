"""Failed messages to retry: counts, pages of an operation, and events since."""

from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec import Struct, convert

from domain.campaign.plan import MessagePriority
from domain.people.consent import SUPPRESSION
from domain.sending.claim import POSTPONING_REASONS
from domain.sending.policy import SENDING_STATES
from domain.sending.retries import RetriedJourney, RetryFilter, RetryObstacle
from domain.tracking.event import ANY, Trigger
from store.database import Connection
from store.events import CLOCKS_DIFFER

# Before every id.
FIRST = UUID(int=0)
# An event is recorded before its transaction commits, perhaps after the end of a journey that did not hear it.
_MARGIN = timedelta(minutes=1)


class FailedGroup(Struct, frozen=True):
    """Failed messages of one step, reason and provider; no `obstacle` if retried."""

    campaign: str
    step: str
    channel: str
    reason: str | None
    provider: str | None
    obstacle: RetryObstacle | None
    messages: int


class FailedMessage(Struct, frozen=True):
    """A failed message that an operation has taken."""

    id: UUID
    campaign_key: str
    channel: str
    category: str
    priority: MessagePriority


class OpenRetry(Struct, frozen=True):
    """A failed message whose retry goes on, for an operation."""

    message: FailedMessage
    operation: UUID


class FailedPage(Struct, frozen=True):
    """A page of failed messages: those taken, and how many were not, by the obstacle.

    `after` is the last one that was examined; None after the last page.
    """

    taken: list[FailedMessage]
    passed_over: Counter[str]
    after: UUID | None


_OBSTACLE = """
CASE WHEN retried_by IS NOT NULL THEN 'retried_before'
     WHEN expires_at <= %(now)s THEN 'expired'
     WHEN campaigns.state <> ALL(%(sending_states)s) THEN 'campaign_not_running'
     WHEN journeys.state = 'exited' OR campaign_version = ANY(exiting) THEN 'journey_ended' END
"""
# The obstacle, or the refusal that is known beforehand: a suppression of the person, or of their address.
_FORECAST = f"""
COALESCE({_OBSTACLE}, CASE WHEN EXISTS (
  SELECT FROM profiles LEFT JOIN addresses
    ON addresses.channel = messages.channel AND app = '' AND value = profiles.addresses ->> messages.channel
  WHERE profiles.id = messages.profile_id
    AND COALESCE(suppressed ->> messages.channel, refusals ->> %(suppression)s) IS NOT NULL) THEN 'suppressed' END)
"""
_CONDITIONS = {
    "campaign": "messages.campaign_key = %(campaign)s",
    "step": "messages.step = %(step)s",
    "channel": "messages.channel = %(channel)s",
    "provider": "messages.provider = %(provider)s",
    "reason": "messages.reason = %(reason)s",
    "since": "messages.settled_at >= %(since)s",
    "until": "messages.settled_at < %(until)s",
}


def _select(which: RetryFilter) -> str:
    given = [condition for name, condition in _CONDITIONS.items() if getattr(which, name) is not None]
    conditions = " AND ".join(["messages.state = 'failed'", *given])
    return f"""
    FROM messages
    JOIN journeys ON journeys.id = messages.journey_id
    JOIN campaigns ON campaigns.key = messages.campaign_key
    WHERE {conditions}
    """


def _parameters(which: RetryFilter, now: datetime) -> dict[str, Any]:
    given = {name: getattr(which, name) for name in _CONDITIONS}
    return {**given, "now": now, "sending_states": list(SENDING_STATES)}


async def count(connection: Connection, which: RetryFilter, now: datetime) -> list[FailedGroup]:
    """Count failed messages by what they have in common, the largest group first."""
    cursor = await connection.execute(
        f"""
        SELECT messages.campaign_key AS campaign, messages.step, messages.channel, messages.reason, messages.provider,
               {_FORECAST} AS obstacle, count(*) AS messages
        {_select(which)}
        GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY count(*) DESC, 1, 2, 3, 4, 5, 6
        """,
        {**_parameters(which, now), "suppression": SUPPRESSION},
    )
    return [FailedGroup(**row) async for row in cursor]


async def count_all(connection: Connection, which: RetryFilter, now: datetime) -> int:
    """Count failed messages."""
    cursor = await connection.execute(f"SELECT count(*) AS number {_select(which)}", _parameters(which, now))
    row = await cursor.fetchone()
    return int(row["number"]) if row else 0


async def take_page(
    connection: Connection, which: RetryFilter, operation: UUID, after: UUID | None, now: datetime, limit: int
) -> FailedPage:
    """Take the next failed messages for an operation, in the order of their ids.

    A message belongs to the first operation that takes it: of two at once, the other one waits, and passes it over.
    """
    cursor = await connection.execute(
        f"""
        SELECT messages.id, messages.campaign_key, channel, category, priority, {_OBSTACLE} AS obstacle
        {_select(which)} AND messages.id > %(after)s ORDER BY messages.id LIMIT %(limit)s
        """,
        {**_parameters(which, now), "after": after or FIRST, "limit": limit},
    )
    found = await cursor.fetchall()
    passed_over = Counter(row["obstacle"] for row in found if row["obstacle"] is not None)
    wanted = {row["id"]: row for row in found if row.pop("obstacle") is None}
    cursor = await connection.execute(
        """
        WITH locked AS (
          SELECT id FROM messages WHERE id = ANY(%s) AND retried_by IS NULL ORDER BY id FOR NO KEY UPDATE
        )
        UPDATE messages SET retried_by = %s FROM locked WHERE messages.id = locked.id RETURNING messages.id
        """,
        (list(wanted), operation),
    )
    taken = [FailedMessage(**wanted[row["id"]]) async for row in cursor]
    if others := len(wanted) - len(taken):
        passed_over["retried_before"] += others
    return FailedPage(taken, passed_over, found[-1]["id"] if len(found) == limit else None)


# Its retry was neither settled nor refused, nor has it expired. A postponed one asks the gate again.
_OPEN = """
messages.state = 'failed' AND messages.retried_by IS NOT NULL AND messages.expires_at > %(now)s AND NOT EXISTS (
  SELECT FROM messages AS retry
  WHERE retry.journey_id = messages.journey_id AND retry.step = messages.step AND retry.visit = messages.visit
    AND retry.retry_of = messages.id AND retry.state NOT IN ('reserved', 'sending')
    AND NOT (retry.state = 'cancelled' AND retry.reason = ANY(%(postponing)s)))
"""


async def open_page(
    connection: Connection, after: UUID | None, limit: int, *, campaign: str | None = None
) -> list[OpenRetry]:
    """Return the next retries that go on, in the order of the failed messages' ids."""
    cursor = await connection.execute(
        f"""
        SELECT id, campaign_key, channel, category, priority, retried_by FROM messages
        WHERE {_OPEN} AND id > %(after)s AND (%(campaign)s::text IS NULL OR campaign_key = %(campaign)s)
        ORDER BY id LIMIT %(limit)s
        """,  # noqa: S608 -- a constant of this module
        {**_open_parameters(connection), "after": after or FIRST, "campaign": campaign, "limit": limit},
    )
    rows = await cursor.fetchall()
    return [OpenRetry(convert(row, FailedMessage), row["retried_by"]) for row in rows]


async def count_open(connection: Connection, campaign: str) -> int:
    """Count the retries of a campaign that go on."""
    cursor = await connection.execute(
        f"SELECT count(*) AS number FROM messages WHERE {_OPEN} AND campaign_key = %(campaign)s",  # noqa: S608
        {**_open_parameters(connection), "campaign": campaign},
    )
    row = await cursor.fetchone()
    return int(row["number"]) if row else 0


async def lock_open(connection: Connection, ids: Collection[UUID]) -> set[UUID]:
    """Lock these failed messages; return those whose retry still goes on."""
    cursor = await connection.execute(
        f"SELECT id FROM messages WHERE id = ANY(%(ids)s) AND {_OPEN} ORDER BY id FOR NO KEY UPDATE",  # noqa: S608
        {**_open_parameters(connection), "ids": list(ids)},
    )
    return {row["id"] async for row in cursor}


def _open_parameters(connection: Connection) -> dict[str, Any]:
    return {"now": connection.clock.now(), "postponing": list(POSTPONING_REASONS)}


async def release(connection: Connection, message_id: UUID) -> None:
    """Let a later operation retry a message whose retry was refused, or cancelled."""
    await connection.execute("UPDATE messages SET retried_by = NULL WHERE id = %s", (message_id,))


async def find_event_since(
    connection: Connection, journey: RetriedJourney, triggers: Collection[Trigger]
) -> str | None:
    """Return the name of an event of the locked person since the journey's end.

    Unverified events do not count.
    """
    cursor = await connection.execute(
        """
        SELECT COALESCE(name, type) AS name FROM events
        WHERE profile_id = %(profile_id)s AND recorded_at > %(since)s AND received_at > %(arrived)s
          AND trust <> 'unverified'
          AND EXISTS (
            SELECT FROM unnest(%(kinds)s::text[], %(names)s::text[]) AS exit (kind, exit_name)
            WHERE kind = type
              AND exit_name IN (%(any)s, COALESCE(CASE WHEN type = 'group' THEN group_id ELSE name END, '')))
        ORDER BY recorded_at LIMIT 1
        """,
        {
            "profile_id": journey.profile_id,
            "since": journey.ended_recorded_at - _MARGIN,
            "arrived": journey.ended_recorded_at - CLOCKS_DIFFER,
            "kinds": [one.kind for one in triggers],
            "names": [one.name or "" for one in triggers],
            "any": ANY,
        },
    )
    row = await cursor.fetchone()
    return None if row is None else str(row["name"])
