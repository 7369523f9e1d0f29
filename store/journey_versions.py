"""Journeys and the versions that they are on: where they stand, and their moving from one to another."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from psycopg.types.json import Jsonb

from domain.journey.forecast import Group
from domain.journey.state import JourneyStatus
from store import campaigns
from store.database import Connection


async def in_flight(connection: Connection, campaign_key: str, version: int) -> list[Group]:
    """The active journeys on other versions than this one, without those that count as ended. It looks at each."""
    cursor = await connection.execute(
        """
        SELECT campaign_version AS version, step, status, start.workflow_id IS NULL AS is_started,
               count(*) AS journeys
        FROM journeys
        JOIN campaigns ON campaigns.key = journeys.campaign_key
        LEFT JOIN outbox AS start ON start.workflow_id = journeys.workflow_id AND start.kind = 'start'
        WHERE campaign_key = %s AND journeys.state = 'active' AND campaign_version <> %s
          AND campaign_version <> ALL (campaigns.exiting)
        GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
        """,
        (campaign_key, version),
    )
    return [Group(**row) async for row in cursor]


class VersionedJourney(Struct, frozen=True):
    """A journey under lock. One of a version that is being ended is not active any more.

    To no other version than the `running` one may it be moved: events are routed by that.
    """

    profile_id: UUID
    campaign_key: str
    campaign_version: int
    running_version: int | None
    is_active: bool


async def lock(connection: Connection, journey_id: UUID) -> VersionedJourney | None:
    """A journey, as it is until the end of the transaction, and so its campaign."""
    async with connection.pipeline():
        await campaigns.lock_registry_shared(connection)
        await connection.execute("SELECT id FROM journeys WHERE id = %s FOR NO KEY UPDATE", (journey_id,))
        # A statement of its own: its snapshot is taken once the locks are held.
        cursor = await connection.execute(
            """
            SELECT profile_id, campaign_key, campaign_version, running_version,
                   journeys.state = 'active' AND campaign_version <> ALL (exiting) AS is_active
            FROM journeys JOIN campaigns ON campaigns.key = campaign_key WHERE id = %s
            """,
            (journey_id,),
        )
        row = await cursor.fetchone()
    return VersionedJourney(**row) if row else None


async def set_version(connection: Connection, journey_id: UUID, version: int) -> None:
    """Put a journey onto a version. The caller has locked it."""
    await connection.execute("UPDATE journeys SET campaign_version = %s WHERE id = %s", (version, journey_id))


class JourneyStart(Struct, frozen=True):
    """Where a journey is once it begins, and until when."""

    journey_id: UUID
    step: str | None
    status: JourneyStatus | None
    wakes_at: datetime | None


async def begin_on_version(connection: Connection, version: int, beginnings: Sequence[JourneyStart]) -> None:
    """Put journeys onto a version that have yet to begin. The caller has locked them."""
    await connection.execute(
        """
        UPDATE journeys SET campaign_version = %s, step = item.step, status = item.status, wakes_at = item.wakes_at
        FROM jsonb_to_recordset(%s) AS item (journey_id uuid, step text, status text, wakes_at timestamptz)
        WHERE journeys.id = item.journey_id
        """,
        (version, Jsonb(beginnings)),
    )


class Candidate(Struct, frozen=True):
    """A journey that an operation is to move, or that was one when it was asked for.

    `is_moved` says that it was moved for this operation, though perhaps nobody has counted that yet.
    """

    id: UUID
    profile_id: UUID
    campaign_version: int
    workflow_id: str
    entered_at: datetime
    step: str | None
    status: JourneyStatus | None
    is_active: bool
    is_moved: bool
    is_started: bool


class Sought(Struct, frozen=True):
    """The journeys that an operation is to move to a version: those that were on others when it was asked for."""

    campaign_key: str
    operation: UUID
    version: int
    asked_at: datetime


# Whatever has become of them since: each is met once by a cursor over ids, and so counted once.
_CANDIDATES = """
FROM journeys
JOIN campaigns ON campaigns.key = journeys.campaign_key
CROSS JOIN LATERAL (
  SELECT EXISTS (
    SELECT 1 FROM decisions
    WHERE decisions.profile_id = journeys.profile_id AND decisions.journey_id = journeys.id AND kind = 'migrate'
      AND decisions.outcome = 'moved' AND decisions.data ->> 'operation' = %(operation)s) AS is_moved
) AS moved
WHERE journeys.campaign_key = %(campaign_key)s AND recorded_at < %(asked_at)s
  AND (journeys.state = 'active' OR ended_recorded_at >= %(asked_at)s)
  AND (campaign_version <> %(version)s OR is_moved)
"""


async def count_candidates(connection: Connection, sought: Sought) -> int:
    """How many journeys an operation is to move."""
    cursor = await connection.execute(f"SELECT count(*) AS number {_CANDIDATES}", _parameters(sought))
    row = await cursor.fetchone()
    return int(row["number"]) if row else 0


async def candidates(connection: Connection, sought: Sought, after: UUID | None, limit: int) -> list[Candidate]:
    """The next of them, in the order of their ids."""
    cursor = await connection.execute(
        f"""
        SELECT journeys.id, profile_id, campaign_version, workflow_id, entered_at, step, status, is_moved,
               journeys.state = 'active' AND campaign_version <> ALL (exiting) AS is_active,
               NOT EXISTS (SELECT 1 FROM outbox
                           WHERE outbox.workflow_id = journeys.workflow_id AND kind = 'start') AS is_started
        {_CANDIDATES} AND (%(after)s::uuid IS NULL OR journeys.id > %(after)s)
        ORDER BY journeys.id LIMIT %(limit)s
        """,  # noqa: S608 - a constant of this module
        {**_parameters(sought), "after": after, "limit": limit},
    )
    return [Candidate(**row) async for row in cursor]


async def find_ended(connection: Connection, ids: Collection[UUID]) -> set[UUID]:
    """Which of these journeys are over."""
    cursor = await connection.execute("SELECT id FROM journeys WHERE id = ANY(%s) AND state <> 'active'", (list(ids),))
    return {row["id"] async for row in cursor}


async def take_starts(
    connection: Connection, ids: Collection[UUID], version: int, shared_subscriptions: Collection[str]
) -> list[UUID]:
    """Have these journeys, all of one version, begin on the running one, where no relay has their start in hand.

    One that is to go on where it was is not among them. Which those are: they are active, and locked from now on, and
    so are the campaigns. What they have heard by the rules of the version before, and does not mean the same by those
    of the other, is forgotten.
    """
    await campaigns.lock_registry_shared(connection)
    cursor = await connection.execute(
        """
        WITH start AS (
          SELECT journeys.id AS journey_id, outbox.id, outbox.workflow_id
          FROM journeys JOIN outbox ON outbox.workflow_id = journeys.workflow_id AND outbox.kind = 'start'
          JOIN campaigns ON campaigns.key = campaign_key
          WHERE journeys.id = ANY(%(ids)s) AND journeys.state = 'active' AND campaign_version <> ALL (exiting)
            AND running_version = %(version)s AND NOT outbox.payload ? 'lost'
          ORDER BY journeys.id FOR NO KEY UPDATE OF journeys SKIP LOCKED FOR UPDATE OF outbox SKIP LOCKED
        ), changed AS (
          UPDATE outbox SET payload = payload || jsonb_build_object('version', %(version)s::int)
          FROM start WHERE outbox.id = start.id
        ), forgotten AS (
          DELETE FROM outbox USING start
          WHERE outbox.workflow_id = start.workflow_id AND outbox.kind = 'matched'
            AND outbox.payload ->> 'subscription' <> ALL (%(shared_subscriptions)s)
        )
        SELECT journey_id FROM start
        """,
        {"ids": list(ids), "version": version, "shared_subscriptions": list(shared_subscriptions)},
    )
    return [row["journey_id"] async for row in cursor]


def _parameters(sought: Sought) -> dict[str, object]:
    return {
        "campaign_key": sought.campaign_key,
        "operation": str(sought.operation),
        "version": sought.version,
        "asked_at": sought.asked_at,
    }
