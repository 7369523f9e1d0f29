"""The numbers of a campaign's funnel, in seven statements of any size."""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from msgspec import Struct
from psycopg.types.json import Jsonb

from domain.journey.state import JourneyStatus, StoredState
from domain.sending.claim import MessageState
from store.arms import IS_ARM
from store.database import Connection


class JourneyCount(Struct, frozen=True):
    """Journeys of one version in one state at one step.

    A stop's journeys are exited; `is_to_follow` marks those whose rows do not say so yet.
    """

    version: int
    state: StoredState
    outcome: str | None
    step: str | None
    status: JourneyStatus | None
    is_to_follow: bool
    number: int


class DecisionCount(Struct, frozen=True):
    """Decisions of one kind, outcome and reason at a step, and their journeys.

    `version` is that of the journeys; None for decisions on people who did not enter.
    """

    version: int | None
    kind: str
    step: str | None
    outcome: str
    reason: str | None
    number: int
    journeys: int


class MessageCount(Struct, frozen=True):
    """Messages of one step in one state, and how many of them were reported as what."""

    version: int
    step: str
    state: MessageState
    number: int
    delivered: int
    opened: int
    clicked: int
    bounced: int
    complained: int
    replied: int


class CostCount(Struct, frozen=True):
    """Messages of one step by one provider that may have been sent, and their cost."""

    version: int
    step: str
    channel: str
    provider: str
    currency: str
    number: int
    micros: int


class GoalCount(Struct, frozen=True):
    """Journeys that reached the goal, by the arms they had taken."""

    version: int
    arms: dict[str, str]
    number: int


PassedKind = Literal["start", "step", "outcome"]


class PassedSteps(Struct, frozen=True):
    """The steps that a journey has certainly passed, by what is known of it.

    `name` names the start, step or outcome; `steps` has a 1 for each passed step of the version.
    """

    version: int
    kind: PassedKind
    name: str
    steps: str


# One snapshot for all of these, so that the counts agree.
ISOLATION = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"


async def journeys(connection: Connection, campaign_key: str, version: int | None) -> list[JourneyCount]:
    """Count journeys by step, or by outcome."""
    cursor = await connection.execute(
        """
        SELECT campaign_version AS version, CASE WHEN is_to_follow THEN 'exited' ELSE journeys.state END AS state,
               CASE WHEN is_to_follow THEN 'exited' ELSE outcome END AS outcome, is_to_follow,
               CASE WHEN is_there THEN step END AS step, CASE WHEN is_there THEN status END AS status,
               count(*) AS number
        FROM journeys JOIN campaigns ON campaigns.key = campaign_key
        CROSS JOIN LATERAL (
          SELECT journeys.state = 'active' AND campaign_version = ANY(exiting) AS is_to_follow,
                 journeys.state = 'active' AND NOT campaign_version = ANY(exiting) AS is_there) AS seen
        WHERE campaign_key = %(key)s AND (%(version)s::int IS NULL OR campaign_version = %(version)s)
        GROUP BY 1, 2, 3, 4, 5, 6
        """,
        {"key": campaign_key, "version": version},
    )
    return [JourneyCount(**row) async for row in cursor]


async def decisions(connection: Connection, campaign_key: str, version: int | None) -> list[DecisionCount]:
    """Count decisions over all time."""
    cursor = await connection.execute(
        f"""
        SELECT version, kind, step, outcome, reason, sum(number)::bigint AS number, count(journey_id) AS journeys
        FROM (
          SELECT campaign_version AS version, decisions.journey_id, kind, decisions.step, decisions.outcome, reason,
                 count(*) AS number
          FROM decisions LEFT JOIN journeys ON journeys.id = decisions.journey_id
          WHERE decisions.campaign_key = %(key)s AND (kind IN ('entry', 'send', 'exit') OR {IS_ARM})
            AND (%(version)s::int IS NULL OR campaign_version = %(version)s OR decisions.journey_id IS NULL)
          GROUP BY 1, 2, 3, 4, 5, 6
        ) AS of_journey
        GROUP BY 1, 2, 3, 4, 5
        """,  # noqa: S608 -- a constant of the store
        {"key": campaign_key, "version": version},
    )
    return [DecisionCount(**row) async for row in cursor]


async def messages(connection: Connection, campaign_key: str, version: int | None) -> list[MessageCount]:
    """Count messages by outcome. One that failed and is retried counts as its retry."""
    cursor = await connection.execute(
        """
        SELECT campaign_version AS version, messages.step, messages.state, count(*) AS number,
               count(delivered_at) AS delivered, count(opened_at) AS opened, count(clicked_at) AS clicked,
               count(bounced_at) AS bounced, count(complained_at) AS complained, count(replied_at) AS replied
        FROM messages JOIN journeys ON journeys.id = messages.journey_id
        WHERE messages.campaign_key = %(key)s AND (%(version)s::int IS NULL OR campaign_version = %(version)s)
          AND retried_by IS NULL
          -- The retry was called off, so the failed message counts.
          AND NOT (messages.state = 'cancelled' AND retry_of IS NOT NULL AND EXISTS (
            SELECT FROM messages AS failed WHERE failed.id = messages.retry_of AND failed.retried_by IS NULL))
        GROUP BY 1, 2, 3
        """,
        {"key": campaign_key, "version": version},
    )
    return [MessageCount(**row) async for row in cursor]


async def costs(connection: Connection, campaign_key: str, version: int | None) -> list[CostCount]:
    """Add up the costs of messages that were sent, or may have been."""
    cursor = await connection.execute(
        """
        SELECT campaign_version AS version, messages.step, channel, COALESCE(provider, '') AS provider, currency,
               count(*) AS number, sum(cost)::bigint AS micros
        FROM messages JOIN journeys ON journeys.id = messages.journey_id
        WHERE messages.campaign_key = %(key)s AND (%(version)s::int IS NULL OR campaign_version = %(version)s)
          AND cost IS NOT NULL AND messages.state IN ('sent', 'unknown')
        GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
        """,
        {"key": campaign_key, "version": version},
    )
    return [CostCount(**row) async for row in cursor]


async def goals(connection: Connection, campaign_key: str, version: int | None) -> list[GoalCount]:
    """Count journeys that reached the goal."""
    cursor = await connection.execute(
        """
        SELECT journeys.campaign_version AS version, arms, count(*) AS number
        FROM conversions JOIN journeys ON journeys.id = conversions.journey_id
        WHERE conversions.campaign_key = %(key)s
          AND (%(version)s::int IS NULL OR journeys.campaign_version = %(version)s)
        GROUP BY 1, 2
        """,
        {"key": campaign_key, "version": version},
    )
    return [GoalCount(**row) async for row in cursor]


async def count_passed(
    connection: Connection, campaign_key: str, known: Sequence[PassedSteps]
) -> Mapping[int, Mapping[str, int]]:
    """Count the journeys of each version by the steps that they have passed.

    The passed steps are written as in `known`.
    """
    cursor = await connection.execute(
        """
        WITH known AS MATERIALIZED (
          SELECT version, kind, name, steps
          FROM jsonb_to_recordset(%(known)s) AS known (version int, kind text, name text, steps bit varying)
        ), told AS (
          SELECT journeys.id, journeys.campaign_version AS version, known.steps
          FROM journeys JOIN known ON known.version = campaign_version
            AND (kind = 'start' OR kind = 'step' AND name = step OR kind = 'outcome' AND name = outcome)
          WHERE campaign_key = %(key)s
          UNION ALL
          SELECT journeys.id, journeys.campaign_version, known.steps
          FROM (SELECT DISTINCT journey_id, step FROM decisions
                WHERE campaign_key = %(key)s AND journey_id IS NOT NULL AND step IS NOT NULL) AS decided
          JOIN journeys ON journeys.id = decided.journey_id
          JOIN known ON known.version = campaign_version AND known.kind = 'step' AND name = decided.step
        )
        SELECT version, steps::text AS steps, count(*) AS number
        FROM (SELECT id, version, bit_or(steps) AS steps FROM told GROUP BY id, version) AS of_journey
        GROUP BY 1, 2
        """,
        {"key": campaign_key, "known": Jsonb(known)},
    )
    counted: dict[int, dict[str, int]] = {}
    async for row in cursor:
        counted.setdefault(row["version"], {})[row["steps"]] = row["number"]
    return counted


async def documents(connection: Connection, campaign_key: str, versions: Collection[int]) -> dict[int, str]:
    """Return the published documents of these versions."""
    cursor = await connection.execute(
        "SELECT version, source FROM campaign_versions WHERE campaign_key = %s AND version = ANY(%s)",
        (campaign_key, list(versions)),
    )
    return {row["version"]: row["source"] async for row in cursor}
