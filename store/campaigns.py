"""Campaigns, their published versions, and the registry's revision."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct, convert
from msgspec.structs import asdict
from psycopg.types.json import Jsonb

from domain.access import SOJOURN, Actor
from domain.campaign.life import OPEN_STATES, CampaignFacts, CampaignState
from domain.campaign.plan import Plan
from domain.campaign.rules import Rules
from domain.journey.forecast import Compiled
from domain.templates.parts import CompiledBody
from store.approvals import IS_CURRENT
from store.database import Connection, PendingResult
from store.single_messages import is_template

# Decisions that depend on campaigns hold this lock shared; changes of campaigns hold it exclusively.
REGISTRY_LOCK = 0x53_4F_4A_4E


class Campaign(Struct, frozen=True):
    """A campaign. `revision` changes with every change of it.

    Journeys of the versions in `exiting` count as ended, though their rows may not say so yet.
    """

    key: str
    name: str
    stage: str | None
    state: CampaignState
    running_version: int | None
    latest_version: int
    revision: int
    exiting: list[int]
    created_at: datetime
    updated_at: datetime

    def lets_in_by(self, version: int) -> bool:
        """Return whether users enter by this version, within its schedule."""
        return self.state in OPEN_STATES and self.running_version == version


class CampaignCounts(Struct, frozen=True):
    """The numbers of a campaign's journeys: all, and open ones."""

    active: int
    total: int


class Version(Struct, frozen=True):
    """A published version: its source and its compiled form."""

    campaign_key: str
    version: int
    name: str
    stage: str | None
    file: str
    source: str
    templates: dict[str, str]
    compiled_bodies: dict[str, CompiledBody]
    plan: Plan
    rules: Rules


async def lock_registry_shared(connection: Connection) -> int:
    """Prevent changes of campaigns until the commit; return the registry's revision."""
    async with connection.pipeline():
        state = await begin_lock_registry_shared(connection)
        return (await state.get()).revision


class RegistryState(Struct, frozen=True):
    """The registry's revision, and what an ingest needs to look for.

    These are the ids of erased people, if any are remembered, and open holds, of which the last ends at `holds_until`.
    """

    revision: int
    remembers_erased: bool
    holds_until: datetime | None


async def begin_lock_registry_shared(connection: Connection) -> PendingResult[RegistryState]:
    """Send `lock_registry_shared` in a pipeline."""
    await connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", (REGISTRY_LOCK,))
    # A separate statement, whose snapshot is taken after the lock.
    return await begin_read_registry(connection)


async def begin_read_registry(connection: Connection) -> PendingResult[RegistryState]:
    """Read the registry in a pipeline, as this snapshot has it, without a lock."""
    cursor = await connection.execute(
        "SELECT revision, EXISTS (SELECT FROM erased_ids) AS remembers_erased, holds_until FROM registry"
    )
    return PendingResult(cursor, lambda rows: RegistryState(**rows[0]))


async def lock_registry_exclusive(connection: Connection) -> None:
    """Wait for decisions under way, delay new ones, and announce the change."""
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", (REGISTRY_LOCK,))
    await connection.execute("UPDATE registry SET revision = revision + 1")


_VERSION = (
    "SELECT campaign_key, version, name, stage, file, source, templates, compiled_bodies, plan, rules "
    "FROM campaign_versions "
)


async def version(connection: Connection, key: str, number: int) -> Version | None:
    """Return one published version."""
    cursor = await connection.execute(_VERSION + "WHERE campaign_key = %s AND version = %s", (key, number))
    row = await cursor.fetchone()
    return convert(row, Version) if row else None


async def running_templates(connection: Connection) -> list[tuple[str, str]]:
    """Return the templates of the versions that users enter: file names and texts."""
    cursor = await connection.execute(
        """
        SELECT file.key, file.value FROM campaigns
        JOIN campaign_versions AS version
          ON version.campaign_key = campaigns.key AND version.version = running_version
        CROSS JOIN jsonb_each_text(version.templates) AS file
        ORDER BY campaigns.key, file.key
        """
    )
    return [(row["key"], row["value"]) async for row in cursor]


async def latest_version(connection: Connection, key: str) -> Version | None:
    """Return the latest version."""
    cursor = await connection.execute(_VERSION + "WHERE campaign_key = %s ORDER BY version DESC LIMIT 1", (key,))
    row = await cursor.fetchone()
    return convert(row, Version) if row else None


async def has_step(connection: Connection, key: str, step: str, version: int | None = None) -> bool:
    """Return whether one or any version of a campaign has a step of this id."""
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
    """Return whether any version of a campaign has a recurring audience."""
    cursor = await connection.execute(
        """
        SELECT FROM campaign_versions
        WHERE campaign_key = %s AND rules #> '{entry,audience,again}' IS NOT NULL LIMIT 1
        """,
        (key,),
    )
    return await cursor.fetchone() is not None


async def load_compiled(connection: Connection, key: str, numbers: Sequence[int]) -> dict[int, Compiled]:
    """Return the compiled form of these versions of a campaign."""
    cursor = await connection.execute(
        "SELECT version, plan, rules FROM campaign_versions WHERE campaign_key = %s AND version = ANY(%s)",
        (key, list(numbers)),
    )
    return {row["version"]: Compiled(convert(row["plan"], Plan), convert(row["rules"], Rules)) async for row in cursor}


async def latest_rules(connection: Connection) -> dict[str, Rules]:
    """Return the rules of every campaign's latest version, by key."""
    cursor = await connection.execute(
        """
        SELECT campaign_key, rules FROM campaign_versions
        JOIN campaigns ON campaigns.key = campaign_key AND latest_version = version
        """
    )
    return {row["campaign_key"]: convert(row["rules"], Rules) async for row in cursor}


class ListeningVersion(Struct, frozen=True):
    """A version to which events are routed: whether users enter or journeys are on it.

    A version with neither may still have goals to count.
    """

    campaign_key: str
    version: int
    lets_in: bool
    has_journeys: bool
    rules: Rules


async def listening_versions(connection: Connection) -> list[ListeningVersion]:
    """Return each version to which events are routed.

    These are the running versions, even of a stopping campaign, since journeys may still migrate to them; older
    versions with journeys, found by one index look-up each, since events wait meanwhile; and versions whose goals may
    still be reached. Since a campaign's last change, users entered only its running version, which bounds the goals
    without reading any journey. Late events have a month.
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
    """Return when the running versions were published."""
    cursor = await connection.execute(
        """
        SELECT campaign_key, version, published_at FROM campaigns
        JOIN campaign_versions ON campaign_key = key AND version = running_version
        """
    )
    return {(row["campaign_key"], row["version"]): row["published_at"] async for row in cursor}


async def insert_version(connection: Connection, version: Version) -> None:
    """Insert a version, and the campaign with its first version."""
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
        INSERT INTO campaign_versions
               (campaign_key, version, name, stage, file, source, templates, compiled_bodies, plan, rules)
        VALUES (%(campaign_key)s, %(version)s, %(name)s, %(stage)s, %(file)s, %(source)s,
                %(templates)s, %(compiled_bodies)s, %(plan)s, %(rules)s)
        """,
        {
            **asdict(version),
            "templates": Jsonb(version.templates),
            "compiled_bodies": Jsonb(version.compiled_bodies),
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
    by: Actor,
) -> int:
    """Change the state of a campaign, with its history; the caller holds the lock.

    The caller has also checked the transition. Returns the number of the entry period: a new one begins whenever users
    may enter and could not before.
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
          INSERT INTO campaign_changes (campaign_key, state_before, state, running_version, exiting, changed_by,
                                        actor)
          SELECT %(key)s, before.state, %(state)s, %(running_version)s::int, %(exiting)s::int[], %(changed_by)s,
                 %(actor)s
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
            "changed_by": by.name,
            "actor": by.id,
        },
    )
    [row] = await cursor.fetchall()
    return int(row["period"])


async def find_opener(connection: Connection, key: str) -> Actor:
    """Return who last let users into a campaign; Sojourn if that is not known."""
    cursor = await connection.execute(
        """
        SELECT actor, changed_by FROM campaign_changes
        WHERE campaign_key = %s AND state IN ('scheduled', 'running') AND actor <> %s ORDER BY id DESC LIMIT 1
        """,
        (key, SOJOURN.id),
    )
    row = await cursor.fetchone()
    return SOJOURN if row is None else Actor(row["actor"], row["changed_by"])


# Without the templates of single messages.
_CAMPAIGNS = f"""
SELECT key, name, stage, state, running_version, latest_version, revision, exiting, created_at, updated_at
FROM campaigns
WHERE NOT {is_template("key")}
"""  # noqa: S608 -- a constant of the store


async def all_campaigns(
    connection: Connection, *, after: str | None = None, limit: int | None = None
) -> list[Campaign]:
    """Return all campaigns by key, or the first ones after a key."""
    cursor = await connection.execute(
        f"{_CAMPAIGNS} AND key > COALESCE(%s, '') ORDER BY key LIMIT %s",
        (after, limit),
    )
    return [Campaign(**row) async for row in cursor]


async def keys(connection: Connection) -> list[str]:
    """Return the keys of all campaigns."""
    cursor = await connection.execute(f"SELECT key FROM campaigns WHERE NOT {is_template('key')}")  # noqa: S608
    return [row["key"] for row in await cursor.fetchall()]


async def campaign(connection: Connection, key: str) -> Campaign | None:
    """Return one campaign."""
    cursor = await connection.execute(f"{_CAMPAIGNS} AND key = %s", (key,))
    row = await cursor.fetchone()
    return Campaign(**row) if row else None


async def state(connection: Connection, key: str) -> CampaignState | None:
    """Return the state of a campaign; None if there is none."""
    cursor = await connection.execute("SELECT state FROM campaigns WHERE key = %s", (key,))
    row = await cursor.fetchone()
    return row["state"] if row else None


async def count_journeys(connection: Connection, keys: Sequence[str]) -> dict[str, CampaignCounts]:
    """Count the journeys of these campaigns. This reads each journey, so hold no lock."""
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
    """Return the facts that decide what is due in a campaign."""
    cursor = await connection.execute(
        f"""
        SELECT state, campaigns.updated_at AS since, running_version AS version,
               (rules #>> '{{schedule,starts_at}}')::timestamptz AS starts_at,
               (rules #>> '{{schedule,ends_at}}')::timestamptz AS ends_at,
               COALESCE((SELECT jsonb_agg(jsonb_build_object('kind', kind, 'done', done, 'total', total) ORDER BY id)
                         FROM operations
                         WHERE operations.campaign_key = key AND finished_at IS NULL AND operations.state <> 'held'),
                        '[]') AS operations,
               COALESCE((SELECT jsonb_agg(jsonb_build_object('id', id, 'done', done, 'total', total, 'entered',
                                                             COALESCE((counts ->> 'entered')::bigint, 0)) ORDER BY id)
                         FROM operations WHERE operations.campaign_key = key AND operations.state = 'held'), '[]')
                 AS held,
               COALESCE((SELECT jsonb_agg(jsonb_build_object('action', action, 'people', people,
                                                             'expires_at', expires_at) ORDER BY id)
                         FROM approvals WHERE approvals.campaign_key = key AND {IS_CURRENT} AND decision IS NULL), '[]')
                 AS approvals,
               EXISTS (SELECT 1 FROM journeys WHERE journeys.campaign_key = key AND journeys.state = 'active')
                 AS has_journeys
        FROM campaigns
        LEFT JOIN campaign_versions ON campaign_versions.campaign_key = key AND version = running_version
        WHERE key = %s
        """,  # noqa: S608 -- a constant of the store
        (key,),
    )
    row = await cursor.fetchone()
    return convert(row, CampaignFacts) if row else None


async def versions_in_use(connection: Connection, key: str) -> list[int]:
    """Return the versions of active journeys, by one index look-up each."""
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
