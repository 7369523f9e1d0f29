"""Journeys: their users, entries and ends."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace
from psycopg.types.json import Jsonb

from domain.journey.position import Position
from domain.journey.records import Ending, Journey, Owner
from domain.people.erasure import ERASED
from domain.tracking.event import stored_event
from store.database import Connection, PendingResult
from store.transaction_metrics import Metric


class Entered(Struct, frozen=True):
    """The last entry of a profile or an account into a campaign under a key."""

    campaign_key: str
    owner: Owner
    entry_key: str
    last_entered_at: datetime


_COLUMNS = "id, campaign_key, campaign_version, profile_id, account_id, entry_key, workflow_id, entry, entered_at"
_OF_PEOPLE = "profile_id = ANY(%(profile_ids)s) AND account_id IS NULL"
_OF_PEOPLE_OR_ACCOUNTS = f"({_OF_PEOPLE} OR account_id = ANY(%(account_ids)s))"


def _select_owners(account_ids: Collection[str]) -> str:
    """Return the condition of the journeys of owners; without accounts by one index."""
    return _OF_PEOPLE_OR_ACCOUNTS if account_ids else _OF_PEOPLE


async def lock_active(
    connection: Connection,
    profile_ids: Collection[UUID],
    campaigns: Collection[str],
    account_ids: Collection[str] = (),
) -> PendingResult[list[Journey]]:
    """Lock the active journeys of these owners in these campaigns, ordered by id."""
    return await _select_active(connection, profile_ids, campaigns, account_ids, "FOR UPDATE")


async def find_active(
    connection: Connection,
    profile_ids: Collection[UUID],
    campaigns: Collection[str],
    account_ids: Collection[str] = (),
) -> PendingResult[list[Journey]]:
    """Return what `lock_active` does, without locks."""
    return await _select_active(connection, profile_ids, campaigns, account_ids, "")


async def _select_active(
    connection: Connection,
    profile_ids: Collection[UUID],
    campaigns: Collection[str],
    account_ids: Collection[str],
    locking: Literal["", "FOR UPDATE"],
) -> PendingResult[list[Journey]]:
    cursor = await connection.execute(
        f"""
        SELECT {_COLUMNS}
        FROM journeys
        WHERE {_select_owners(account_ids)} AND campaign_key = ANY(%(campaigns)s) AND state = 'active'
        ORDER BY id {locking}
        """,  # noqa: S608 -- constants
        {"profile_ids": list(profile_ids), "account_ids": list(account_ids), "campaigns": list(campaigns)},
    )
    return PendingResult(cursor, lambda rows: [_journey(row) for row in rows])


class GoalSought(Struct, frozen=True):
    """A version's goal, for journeys entered at most `within` seconds before."""

    campaign_key: str
    campaign_version: int
    within: int


async def find_past(
    connection: Connection,
    profile_ids: Collection[UUID],
    account_ids: Collection[str],
    goals: Sequence[GoalSought],
    *,
    between: tuple[datetime, datetime],
    limit: int,
) -> PendingResult[list[Journey]]:
    """Return ended journeys of these owners that may still reach one of these goals.

    By events between two instants. For one owner in one campaign, the `limit` last entered.
    """
    cursor = await connection.execute(
        f"""
        SELECT {_COLUMNS}
        FROM (
          SELECT journeys.*, row_number() OVER (
            PARTITION BY COALESCE(account_id, profile_id::text), campaign_key ORDER BY entered_at DESC, id DESC
          ) AS place
          FROM journeys
          JOIN jsonb_to_recordset(%(goals)s) AS goal (campaign_key text, campaign_version int, within int)
            USING (campaign_key, campaign_version)
          WHERE {_select_owners(account_ids)} AND campaign_key = ANY(%(campaigns)s) AND state <> 'active'
            AND (entry ->> 'timestamp')::timestamptz
                BETWEEN %(first)s - make_interval(secs => goal.within) AND %(last)s
            AND NOT EXISTS (SELECT 1 FROM conversions WHERE journey_id = journeys.id)
        ) AS open
        WHERE place <= %(limit)s
        """,  # noqa: S608 -- constants
        {
            "profile_ids": list(profile_ids),
            "account_ids": list(account_ids),
            "goals": Jsonb(goals),
            "campaigns": list({goal.campaign_key for goal in goals}),
            "first": between[0],
            "last": between[1],
            "limit": limit,
        },
    )
    return PendingResult(cursor, lambda rows: [_journey(row) for row in rows])


def _journey(row: dict[str, Any]) -> Journey:
    return Journey(**{**row, "entry": stored_event(row["entry"])})


async def last_entries(
    connection: Connection,
    profile_ids: Collection[UUID],
    campaigns: Collection[str],
    account_ids: Collection[str] = (),
) -> PendingResult[list[Entered]]:
    """Return the last entries of these owners into these campaigns, by entry key."""
    cursor = await connection.execute(
        f"""
        SELECT campaign_key, account_id, CASE WHEN account_id IS NULL THEN profile_id END AS profile_id, entry_key,
               max(entered_at) AS last_entered_at
        FROM journeys WHERE {_select_owners(account_ids)} AND campaign_key = ANY(%(campaigns)s)
        GROUP BY 1, 2, 3, 4
        """,  # noqa: S608 -- constants
        {"profile_ids": list(profile_ids), "account_ids": list(account_ids), "campaigns": list(campaigns)},
    )
    return PendingResult(
        cursor,
        lambda rows: [
            Entered(
                row["campaign_key"], row["profile_id"] or row["account_id"], row["entry_key"], row["last_entered_at"]
            )
            for row in rows
        ],
    )


async def insert(
    connection: Connection,
    journeys: Sequence[Journey],
    endings: Mapping[UUID, Ending],
    positions: Mapping[UUID, Position],
) -> None:
    """Insert new journeys with their positions, perhaps with their ends."""
    items = []
    for journey in journeys:
        ending, position = endings.get(journey.id), positions.get(journey.id)
        items.append(
            {
                "id": journey.id,
                "campaign_key": journey.campaign_key,
                "campaign_version": journey.campaign_version,
                "profile_id": journey.profile_id,
                "account_id": journey.account_id,
                "entry_key": journey.entry_key,
                "workflow_id": journey.workflow_id,
                # Claims belong to the profile: nothing that reads the entry may use them.
                "entry": replace(journey.entry, claims={}),
                "entered_at": journey.entered_at,
                "state": ending.state if ending else "active",
                "outcome": ending.outcome if ending else None,
                "ended_by": ending.ended_by if ending else None,
                "ended_at": ending.ended_at if ending else None,
                "step": position.step if position else None,
                "status": position.status if position else None,
                "wakes_at": _after(journey.entered_at, position) if position and not ending else None,
                "since": journey.entered_at,
            }
        )
    await connection.execute(
        """
        INSERT INTO journeys (id, campaign_key, campaign_version, profile_id, account_id, entry_key, workflow_id, entry,
                              entered_at, state, outcome, ended_by, ended_at, step, status, wakes_at, since)
        SELECT id, campaign_key, campaign_version, profile_id, account_id, entry_key, workflow_id, entry,
               entered_at, state, outcome, ended_by, ended_at, step, status, wakes_at, since
        FROM jsonb_to_recordset(%s) AS item (
          id uuid, campaign_key text, campaign_version int, profile_id uuid, account_id text, entry_key text,
          workflow_id text, entry jsonb, entered_at timestamptz, state text, outcome text, ended_by text,
          ended_at timestamptz, step text, status text, wakes_at timestamptz,
          since timestamptz)
        ORDER BY id
        """,
        (Jsonb(items),),
    )
    for journey in journeys:
        connection.metrics.add(Metric.ENTERED, journey.campaign_key)
        if ending := endings.get(journey.id):
            connection.metrics.add(Metric.ENDED, journey.campaign_key, ending.state, ending.outcome)


async def place(
    connection: Connection,
    journey_id: UUID,
    position: Position | None,
    move: int,
    at: datetime,
    *,
    via: str | None = None,
) -> None:
    """Set the position of an active journey from `at` on; None if it ends.

    `via` is the step whose request was answered. A later move's position stays. The end itself is written elsewhere.
    """
    if position is None:
        return
    await connection.execute(
        """
        UPDATE journeys
        SET step = %(step)s, status = %(status)s, wakes_at = %(wakes_at)s, moves = %(move)s, via = %(via)s,
            since = CASE WHEN step IS DISTINCT FROM %(step)s THEN %(at)s ELSE since END
        WHERE id = %(id)s AND state = 'active' AND moves < %(move)s
        """,
        {
            "id": journey_id,
            "step": position.step,
            "status": position.status,
            "wakes_at": _after(at, position),
            "move": move,
            "via": via,
            "at": at,
        },
    )


async def save(connection: Connection, journey_id: UUID, saved: Mapping[str, Any]) -> None:
    """Store the values of webhooks' replies. Requires the locked journey."""
    await connection.execute("UPDATE journeys SET saved = %s WHERE id = %s", (Jsonb(saved), journey_id))


def _after(at: datetime, position: Position) -> datetime | None:
    return None if position.rest is None else at + timedelta(seconds=position.rest)


_END = """
WITH ended AS (
  UPDATE journeys
  SET state = item.state, outcome = item.outcome, ended_by = item.ended_by, ended_at = item.ended_at,
      via = item.via, wakes_at = NULL, ended_recorded_at = clock_timestamp()
  FROM jsonb_to_recordset(%(endings)s) AS item (
    id uuid, state text, outcome text, ended_by text, ended_at timestamptz, via text)
  -- The ids once more as an array: by it the rows are found by their key, however many are active.
  WHERE journeys.id = item.id AND journeys.id = ANY(%(ids)s) AND journeys.state = 'active'
  RETURNING journeys.id, campaign_key, journeys.state, journeys.outcome
), reserved AS (
  -- In the order in which reactions lock messages. A retry goes on when its journey completes.
  SELECT messages.id FROM messages JOIN ended ON ended.id = messages.journey_id
  WHERE messages.state = 'reserved' AND (retry_of IS NULL OR ended.state = 'exited')
  ORDER BY messages.id FOR NO KEY UPDATE OF messages
), cancelled AS (
  UPDATE messages SET state = 'cancelled', reason = 'journey_ended', settled_at = clock_timestamp()
  FROM reserved WHERE messages.id = reserved.id
)
SELECT campaign_key, state, outcome FROM ended
"""


async def end(connection: Connection, endings: Collection[Ending]) -> None:
    """End active journeys among these, and release their reservations.

    A message that is being sent settles.
    """
    ordered = sorted(endings, key=lambda ending: ending.id)
    cursor = await connection.execute(_END, {"endings": Jsonb(ordered), "ids": [ending.id for ending in ordered]})
    ended = PendingResult(cursor, lambda rows: [(row["campaign_key"], row["state"], row["outcome"]) for row in rows])
    connection.metrics.add_later(Metric.ENDED, ended.get)


async def outcome(connection: Connection, journey_id: UUID) -> str | None:
    """Return the outcome of a journey; None if it is active or unknown."""
    cursor = await connection.execute("SELECT outcome FROM journeys WHERE id = %s", (journey_id,))
    row = await cursor.fetchone()
    return None if row is None else row["outcome"]


async def end_doubles(connection: Connection, merged: Mapping[UUID, UUID], at: datetime) -> list[str]:
    """End the journeys that a merge of profiles would double; return their workflows.

    The remaining profile keeps its journey, else the oldest goes on. The caller has locked the profiles.
    """
    # A separate statement, so that the next one sees journeys that end while it waits for the locks.
    await connection.execute(
        "SELECT id FROM journeys WHERE profile_id = ANY(%s) AND state = 'active' ORDER BY id FOR UPDATE",
        (sorted({*merged, *merged.values()}),),
    )
    cursor = await connection.execute(
        """
        WITH item AS (SELECT * FROM jsonb_to_recordset(%s) AS item (source uuid, target uuid)),
        member AS (SELECT target, source AS id FROM item UNION SELECT target, target FROM item),
        placed AS (
          SELECT journeys.id, row_number() OVER (
            PARTITION BY member.target, campaign_key, entry_key
            ORDER BY (journeys.profile_id = member.target) DESC, entered_at, journeys.id) AS place
          FROM member JOIN journeys ON journeys.profile_id = member.id WHERE state = 'active' AND account_id IS NULL
        ), ended AS (
          UPDATE journeys SET state = 'exited', outcome = 'merged', ended_at = %s, wakes_at = NULL, via = NULL,
                              ended_recorded_at = clock_timestamp()
          FROM placed WHERE placed.place > 1 AND journeys.id = placed.id AND journeys.state = 'active'
          RETURNING journeys.id, journeys.workflow_id, campaign_key, journeys.state, journeys.outcome
        ), cancelled AS (
          UPDATE messages SET state = 'cancelled', reason = 'journey_ended', settled_at = clock_timestamp()
          FROM ended WHERE messages.journey_id = ended.id AND messages.state = 'reserved'
        )
        SELECT workflow_id, campaign_key, state, outcome FROM ended
        """,
        (Jsonb([{"source": source, "target": target} for source, target in merged.items()]), at),
    )
    ended = await cursor.fetchall()
    for row in ended:
        connection.metrics.add(Metric.ENDED, row["campaign_key"], row["state"], row["outcome"])
    return [row["workflow_id"] for row in ended]


async def find_exited(connection: Connection, workflow_ids: Collection[str]) -> dict[str, str | None]:
    """Return those of these workflows whose journeys were ended from outside, and why.

    None if the journey's person is being erased, or has been: it has no row then.
    """
    cursor = await connection.execute(
        """
        SELECT workflow_id, CASE WHEN outcome IS DISTINCT FROM %s THEN COALESCE(ended_by, outcome) END AS by
        FROM unnest(%s::text[]) AS named (workflow_id) LEFT JOIN journeys USING (workflow_id)
        WHERE state = 'exited' OR state IS NULL
        """,
        (ERASED, list(workflow_ids)),
    )
    return {row["workflow_id"]: row["by"] async for row in cursor}
