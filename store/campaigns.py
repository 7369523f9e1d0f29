"""Campaigns, their published versions, and the registry's revision that changes with them."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct, convert
from msgspec.structs import asdict
from psycopg.types.json import Jsonb

from domain.campaign.life import OPEN_STATES, CampaignFacts, CampaignState
from domain.campaign.plan import Plan
from domain.campaign.rules import Rules
from domain.journey.forecast import Compiled
from store.database import Connection, PendingResult

# Whoever judges events or messages by the campaigns holds this lock shared; whoever changes them, exclusively.
REGISTRY_LOCK = 0x53_4F_4A_4E


class Campaign(Struct, frozen=True):
    """A campaign as it stands. `revision` changes with whatever is changed of it.

    Journeys of the versions that are `exiting` count as ended, though their rows are yet to follow.
    """

    key: str
    name: str
    stage: str | None
    state: CampaignState
    running_version: int | None
    latest_version: int
    revision: int
    exiting: list[int]
    updated_at: datetime


class CampaignCounts(Struct, frozen=True):
    """How many journeys a campaign has, and how many of them are under way."""

    active: int
    total: int


class Version(Struct, frozen=True):
    """A published version: what its author wrote, and what it was compiled to."""

    campaign_key: str
    version: int
    name: str
    stage: str | None
    file: str
    source: str
    templates: dict[str, str]
    plan: Plan
    rules: Rules


async def lock_registry_shared(connection: Connection) -> int:
    """Hold the campaigns as they are until the end of the transaction; the registry's revision."""
    async with connection.pipeline():
        revision = await begin_lock_registry_shared(connection)
        return await revision.get()


async def begin_lock_registry_shared(connection: Connection) -> PendingResult[int]:
    """As `lock_registry_shared`, in a pipeline."""
    await connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", (REGISTRY_LOCK,))
    # A statement of its own: its snapshot is taken once the lock is held.
    cursor = await connection.execute("SELECT revision FROM registry")
    return PendingResult(cursor, lambda rows: int(rows[0]["revision"]) if rows else 0)


async def lock_registry_exclusive(connection: Connection) -> None:
    """Wait for all who judge by the campaigns, keep new ones waiting, and announce the change."""
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", (REGISTRY_LOCK,))
    await connection.execute("UPDATE registry SET revision = revision + 1")


_VERSION = "SELECT campaign_key, version, name, stage, file, source, templates, plan, rules FROM campaign_versions "


async def version(connection: Connection, key: str, number: int) -> Version | None:
    """One published version."""
    cursor = await connection.execute(_VERSION + "WHERE campaign_key = %s AND version = %s", (key, number))
    row = await cursor.fetchone()
    return convert(row, Version) if row else None


async def latest_version(connection: Connection, key: str) -> Version | None:
    """The version published last."""
    cursor = await connection.execute(_VERSION + "WHERE campaign_key = %s ORDER BY version DESC LIMIT 1", (key,))
    row = await cursor.fetchone()
    return convert(row, Version) if row else None


async def has_step(connection: Connection, key: str, step: str, version: int | None = None) -> bool:
    """Whether a version of a campaign, or any of them, has a step of this id."""
    cursor = await connection.execute(
        """
        SELECT 1 FROM campaign_versions
        WHERE campaign_key = %(key)s AND (%(version)s::int IS NULL OR version = %(version)s)
          AND plan -> 'nodes' ? %(step)s
        LIMIT 1
        """,
        {"key": key, "version": version, "step": step},
    )
    return await cursor.fetchone() is not None


async def ever_recurred(connection: Connection, key: str) -> bool:
    """Whether any version of a campaign has an audience that enters again and again."""
    cursor = await connection.execute(
        """
        SELECT FROM campaign_versions
        WHERE campaign_key = %s AND rules #> '{entry,audience,again}' IS NOT NULL LIMIT 1
        """,
        (key,),
    )
    return await cursor.fetchone() is not None


async def load_compiled(connection: Connection, key: str, numbers: Sequence[int]) -> dict[int, Compiled]:
    """What these versions of a campaign were compiled to."""
    cursor = await connection.execute(
        "SELECT version, plan, rules FROM campaign_versions WHERE campaign_key = %s AND version = ANY(%s)",
        (key, list(numbers)),
    )
    return {row["version"]: Compiled(convert(row["plan"], Plan), convert(row["rules"], Rules)) async for row in cursor}


async def latest_rules(connection: Connection) -> dict[str, Rules]:
    """The rules of every campaign's latest version, by key."""
    cursor = await connection.execute(
        """
        SELECT campaign_key, rules FROM campaign_versions
        JOIN campaigns ON campaigns.key = campaign_key AND latest_version = version
        """
    )
    return {row["campaign_key"]: convert(row["rules"], Rules) async for row in cursor}


class ListeningVersion(Struct, frozen=True):
    """A version that events are routed by: whether it lets users in, and whether journeys are on it.

    One that neither lets in nor has journeys may still have goals to be counted.
    """

    campaign_key: str
    version: int
    lets_in: bool
    has_journeys: bool
    rules: Rules


async def listening_versions(connection: Connection) -> list[ListeningVersion]:
    """Each version that events are routed by.

    Those are the versions that run, also of a campaign that stops, since journeys may yet be moved to them; the older
    ones that journeys are still on, which are found by one look into the index for each, since events wait meanwhile;
    and those whose goals may still be reached. Nobody but the version
    that runs has let anybody in since the campaign was last changed: that bounds them without a look at any journey.
    Events that are reported late have a month.
    """
    cursor = await connection.execute(
        """
        WITH RECURSIVE walked AS (
          (SELECT campaign_key, campaign_version FROM journeys WHERE state = 'active'
           ORDER BY campaign_key, campaign_version LIMIT 1)
          UNION ALL
          SELECT following.* FROM walked CROSS JOIN LATERAL (
            SELECT campaign_key, campaign_version FROM journeys
            WHERE state = 'active'
              AND (campaign_key, campaign_version) > (walked.campaign_key, walked.campaign_version)
            ORDER BY campaign_key, campaign_version LIMIT 1) AS following
        ), version AS (
          SELECT campaign_key, version, rules,
                 campaigns.state IN ('scheduled', 'running', 'paused') AND version = running_version AS lets_in,
                 (campaign_key, version) IN (SELECT campaign_key, campaign_version FROM walked)
                   OR campaigns.state = 'stopping' AND version = running_version AS has_journeys,
                 campaigns.updated_at + make_interval(secs => (rules #>> '{goal,within}')::float8)
                   + interval '1 month' > now() AS has_open_goal
          FROM campaign_versions JOIN campaigns ON campaigns.key = campaign_key
        )
        SELECT campaign_key, version, lets_in, has_journeys, rules FROM version
        WHERE lets_in OR has_journeys OR has_open_goal
        """
    )
    return [convert(row, ListeningVersion) async for row in cursor]


async def published_at(connection: Connection) -> dict[tuple[str, int], datetime]:
    """When the versions that run were published."""
    cursor = await connection.execute(
        """
        SELECT campaign_key, version, published_at FROM campaigns
        JOIN campaign_versions ON campaign_key = key AND version = running_version
        """
    )
    return {(row["campaign_key"], row["version"]): row["published_at"] async for row in cursor}


async def insert_version(connection: Connection, version: Version) -> None:
    """Add a version, and the campaign itself if it is its first."""
    await connection.execute(
        """
        INSERT INTO campaigns (key, name, stage, latest_version) VALUES (%(key)s, %(name)s, %(stage)s, %(version)s)
        ON CONFLICT (key) DO UPDATE SET name = excluded.name, stage = excluded.stage,
                                        latest_version = excluded.latest_version,
                                        revision = campaigns.revision + 1, updated_at = now()
        """,
        {"key": version.campaign_key, "name": version.name, "stage": version.stage, "version": version.version},
    )
    await connection.execute(
        """
        INSERT INTO campaign_versions (campaign_key, version, name, stage, file, source, templates, plan, rules)
        VALUES (%(campaign_key)s, %(version)s, %(name)s, %(stage)s, %(file)s, %(source)s,
                %(templates)s, %(plan)s, %(rules)s)
        """,
        {
            **asdict(version),
            "templates": Jsonb(version.templates),
            "plan": Jsonb(version.plan),
            "rules": Jsonb(version.rules),
        },
    )


async def change(
    connection: Connection,
    key: str,
    *,
    state: CampaignState,
    running_version: int | None,
    exiting: Sequence[int],
    changed_by: str,
) -> int:
    """Move a campaign to a state, and record it; the caller holds control and has checked that the move is allowed.

    The number of the period in which it lets users in: another begins whenever it lets in and did not before.
    """
    cursor = await connection.execute(
        """
        WITH before AS (SELECT state FROM campaigns WHERE key = %(key)s), changed AS (
          UPDATE campaigns SET state = %(state)s, running_version = %(running_version)s, exiting = %(exiting)s,
                               period = period
                                 + (%(state)s = ANY(%(open_states)s) AND state <> ALL(%(open_states)s))::int,
                               revision = revision + 1, updated_at = now()
          WHERE key = %(key)s RETURNING period
        ), recorded AS (
          INSERT INTO campaign_changes (campaign_key, state_before, state, running_version, exiting, changed_by)
          SELECT %(key)s, before.state, %(state)s, %(running_version)s::int, %(exiting)s::int[], %(changed_by)s
          FROM before
        )
        SELECT period FROM changed
        """,
        {
            "key": key,
            "state": state,
            "running_version": running_version,
            "exiting": list(exiting),
            "open_states": list(OPEN_STATES),
            "changed_by": changed_by,
        },
    )
    [row] = await cursor.fetchall()
    return int(row["period"])


_CAMPAIGNS = """
SELECT key, name, stage, state, running_version, latest_version, revision, exiting, updated_at FROM campaigns
"""


async def all_campaigns(connection: Connection) -> list[Campaign]:
    """Every campaign, by key."""
    cursor = await connection.execute(_CAMPAIGNS + "ORDER BY key")
    return [Campaign(**row) async for row in cursor]


async def keys(connection: Connection) -> list[str]:
    """The keys of all campaigns."""
    cursor = await connection.execute("SELECT key FROM campaigns")
    return [row["key"] for row in await cursor.fetchall()]


async def campaign(connection: Connection, key: str) -> Campaign | None:
    """One campaign as it stands."""
    cursor = await connection.execute(_CAMPAIGNS + "WHERE key = %s", (key,))
    row = await cursor.fetchone()
    return Campaign(**row) if row else None


async def state(connection: Connection, key: str) -> CampaignState | None:
    """The state of a campaign; None if there is none of this key."""
    cursor = await connection.execute("SELECT state FROM campaigns WHERE key = %s", (key,))
    row = await cursor.fetchone()
    return row["state"] if row else None


async def count_journeys(connection: Connection, keys: Sequence[str]) -> dict[str, CampaignCounts]:
    """How many journeys these campaigns have. It takes a look at each, so nobody may have to wait for it."""
    cursor = await connection.execute(
        """
        SELECT campaign_key, count(*) FILTER (WHERE state = 'active') AS active, count(*) AS total
        FROM journeys WHERE campaign_key = ANY(%s) GROUP BY campaign_key
        """,
        (list(keys),),
    )
    counted = {row["campaign_key"]: CampaignCounts(row["active"], row["total"]) async for row in cursor}
    return {key: counted.get(key, CampaignCounts(0, 0)) for key in keys}


async def campaign_facts(connection: Connection, key: str) -> CampaignFacts | None:
    """What there is to know of a campaign when one looks what is due."""
    cursor = await connection.execute(
        """
        SELECT state, campaigns.updated_at AS since, running_version AS version,
               (rules #>> '{schedule,starts_at}')::timestamptz AS starts_at,
               (rules #>> '{schedule,ends_at}')::timestamptz AS ends_at,
               COALESCE((SELECT jsonb_agg(jsonb_build_object('kind', kind, 'done', done, 'total', total) ORDER BY id)
                         FROM operations WHERE operations.campaign_key = key AND finished_at IS NULL), '[]')
                 AS operations,
               EXISTS (SELECT 1 FROM journeys WHERE journeys.campaign_key = key AND journeys.state = 'active')
                 AS has_journeys
        FROM campaigns
        LEFT JOIN campaign_versions ON campaign_versions.campaign_key = key AND version = running_version
        WHERE key = %s
        """,
        (key,),
    )
    row = await cursor.fetchone()
    return convert(row, CampaignFacts) if row else None


async def versions_in_use(connection: Connection, key: str) -> list[int]:
    """The versions that active journeys are on: one look into the index for each."""
    cursor = await connection.execute(
        """
        WITH RECURSIVE walked AS (
          (SELECT campaign_version AS version FROM journeys WHERE state = 'active' AND campaign_key = %(key)s
           ORDER BY campaign_version LIMIT 1)
          UNION ALL
          SELECT following.version FROM walked CROSS JOIN LATERAL (
            SELECT campaign_version AS version FROM journeys
            WHERE state = 'active' AND campaign_key = %(key)s AND campaign_version > walked.version
            ORDER BY campaign_version LIMIT 1) AS following
        )
        SELECT version FROM walked ORDER BY version
        """,
        {"key": key},
    )
    return [row["version"] async for row in cursor]
