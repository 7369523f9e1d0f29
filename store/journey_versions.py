"""The versions of journeys, and migrations between them."""

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
    """Count active journeys on other versions than this one; reads each journey.

    Journeys that count as ended are excluded.
    """
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
    """A locked journey. It is not active if its version is being ended.

    It may only migrate to the `running` version, to which events are routed.
    """

    profile_id: UUID
    campaign_key: str
    campaign_version: int
    running_version: int | None
    is_active: bool


async def lock(connection: Connection, journey_id: UUID) -> VersionedJourney | None:
    """Lock a journey until the commit, and so its campaign."""
    async with connection.pipeline():
        await campaigns.lock_registry_shared(connection)
        await connection.execute("SELECT id FROM journeys WHERE id = %s FOR NO KEY UPDATE", (journey_id,))
        # A separate statement, whose snapshot is taken after the locks.
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
    """Set the version of a locked journey."""
    await connection.execute("UPDATE journeys SET campaign_version = %s WHERE id = %s", (version, journey_id))


class JourneyStart(Struct, frozen=True):
    """The position of a starting journey, and until when it waits."""

    journey_id: UUID
    step: str | None
    status: JourneyStatus | None
    wakes_at: datetime | None


async def begin_on_version(connection: Connection, version: int, beginnings: Sequence[JourneyStart]) -> None:
    """Set the version of locked journeys that have not begun."""
    await connection.execute(
        """
        UPDATE journeys SET campaign_version = %s, step = item.step, status = item.status, wakes_at = item.wakes_at,
                            via = NULL
        FROM jsonb_to_recordset(%s) AS item (journey_id uuid, step text, status text, wakes_at timestamptz)
        WHERE journeys.id = item.journey_id
        """,
        (version, Jsonb(beginnings)),
    )


class Candidate(Struct, frozen=True):
    """A journey to migrate, at present or when the operation was requested.

    `is_moved` says that it migrated for this operation, even if it is not counted yet.
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
    """The journeys of a migration: those on other versions when it was requested."""

    campaign_key: str
    operation: UUID
    version: int
    asked_at: datetime


# In any state: a cursor over ids counts each once.
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
    """Count the journeys of a migration."""
    cursor = await connection.execute(f"SELECT count(*) AS number {_CANDIDATES}", _parameters(sought))
    row = await cursor.fetchone()
    return int(row["number"]) if row else 0


async def candidates(connection: Connection, sought: Sought, after: UUID | None, limit: int) -> list[Candidate]:
    """Return the next journeys to migrate, in the order of their ids."""
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
    """Return which of these journeys have ended, or count as ended."""
    cursor = await connection.execute(
        """
        SELECT id FROM journeys JOIN campaigns ON campaigns.key = campaign_key
        WHERE id = ANY(%s) AND (journeys.state <> 'active' OR campaign_version = ANY(exiting))
        """,
        (list(ids),),
    )
    return {row["id"] async for row in cursor}


async def take_starts(
    connection: Connection, ids: Collection[UUID], version: int, shared_subscriptions: Collection[str]
) -> list[UUID]:
    """Start these journeys, all of one version, on the running one instead.

    Applies to starts that no relay is delivering, and not to lost journeys that would resume. Returns the changed
    journeys, which are active; they and the campaigns are locked. Matched events whose subscription differs between the
    versions are deleted.
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
