"""Collects what the database and Temporal say: read from the servers themselves, past the proxy."""

import asyncio
from collections import Counter
from time import monotonic, time
from typing import Any

import psycopg
from psycopg.rows import dict_row
from temporalio.client import Client, WorkflowFailureError
from temporalio.service import RPCError, RPCStatusCode

from tests.chaos.history import History, JourneyRow, MessageRow, Note, PersonRow, WorkflowEnd
from tests.chaos.pages import Pages
from tests.chaos.providers import Arrival
from tests.chaos.reporter import Reporter
from tests.harness import looks
from workflows.search_attributes import CAMPAIGN_VERSION

JOURNAL = """
CREATE TABLE chaos_notes (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz DEFAULT clock_timestamp(), kind text, row jsonb);
CREATE FUNCTION chaos_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO chaos_notes (kind, row) VALUES (TG_TABLE_NAME, to_jsonb(NEW));
  RETURN NULL;
END $$;
CREATE TRIGGER chaos AFTER INSERT OR UPDATE ON campaigns FOR EACH ROW EXECUTE FUNCTION chaos_note();
CREATE TRIGGER chaos AFTER INSERT OR UPDATE OF state, campaign_version ON journeys
  FOR EACH ROW EXECUTE FUNCTION chaos_note();
CREATE TRIGGER chaos AFTER INSERT OR UPDATE ON messages FOR EACH ROW EXECUTE FUNCTION chaos_note();
CREATE TRIGGER chaos AFTER INSERT OR UPDATE ON provider_pauses FOR EACH ROW EXECUTE FUNCTION chaos_note();
CREATE TRIGGER chaos AFTER INSERT ON decisions FOR EACH ROW
  WHEN (NEW.kind = 'send' AND NEW.reason = 'capped') EXECUTE FUNCTION chaos_note();
"""
_UNDER_WAY = """
SELECT (SELECT count(*) FROM outbox) AS outbox,
       (SELECT count(*) FROM operations WHERE finished_at IS NULL) AS operations,
       (SELECT count(*) FROM journeys WHERE state = 'active') AS journeys,
       (SELECT count(*) FROM messages WHERE state IN ('reserved', 'sending')) AS messages
"""
_JUDGE_NOW = "UPDATE link_hits SET due_at = least(due_at, clock_timestamp()) WHERE is_person IS NULL RETURNING id"
_JOURNEYS = """
SELECT journeys.id::text, campaign_key AS campaign, campaign_version AS version, user_id AS user, entry_key AS ref,
       workflow_id, state, outcome
FROM journeys JOIN profiles ON profiles.id = profile_id ORDER BY journeys.id
"""
_MESSAGES = """
SELECT id::text, journey_id::text, channel, category, state, reason, detail, attempts, provider,
       array_remove(ARRAY[CASE WHEN delivered_at IS NOT NULL THEN 'delivered' END,
                          CASE WHEN opened_at IS NOT NULL THEN 'opened' END,
                          CASE WHEN clicked_at IS NOT NULL THEN 'clicked' END,
                          CASE WHEN dismissed_at IS NOT NULL THEN 'dismissed' END,
                          CASE WHEN bounced_at IS NOT NULL THEN 'bounced' END,
                          CASE WHEN complained_at IS NOT NULL THEN 'complained' END], NULL) AS reported
FROM messages ORDER BY reserved_at
"""
_REPORTED = """
SELECT properties ->> 'message_id' AS message_id, name, count(*)::int AS number FROM events
WHERE properties ? 'provider' GROUP BY 1, 2
"""
_SUPPRESSED = "SELECT value FROM addresses WHERE channel = 'email' AND refusals ? 'suppression'"
_MIGRATIONS = """
SELECT fate.key AS fate, sum(fate.value::int)::int AS count
FROM operations CROSS JOIN jsonb_each_text(counts) AS fate WHERE kind = 'migrate' GROUP BY 1 ORDER BY 1
"""
_PEOPLE = """
SELECT user_id AS user, traits ->> 'email' AS email,
       COALESCE(array_agg(value ORDER BY value) FILTER (WHERE kind = 'user'), '{}') AS users,
       COALESCE(array_agg(value ORDER BY value) FILTER (WHERE kind = 'anonymous'), '{}') AS devices
FROM profiles LEFT JOIN identities ON profile_id = profiles.id GROUP BY profiles.id
"""
_ASTRAY = """
SELECT events.user_id AS named, profiles.user_id AS kept_for, count(*) AS number
FROM events LEFT JOIN profiles ON profiles.id = profile_id
WHERE events.user_id <> COALESCE(profiles.user_id, '') GROUP BY 1, 2
"""
_NOTES = "SELECT seq, extract(epoch FROM at)::float8 AS at, kind, row FROM chaos_notes ORDER BY seq"
CALLS_AT_ONCE = 10


async def keep_journal(url: str) -> None:
    """Write down each change of a campaign, a journey, a message and a provider's pause, in its own transaction."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(JOURNAL)


async def settle(url: str, client: Client, task_queue: str, seconds: float) -> dict[str, int]:
    """Wait until nothing is under way, at most so long; what then still is, by its kind."""
    query = f"TaskQueue = '{task_queue}' AND WorkflowType = 'Journey' AND ExecutionStatus = 'Running'"
    waiting: dict[str, int] = {}
    async for is_last in looks(seconds):
        try:
            [counts] = await _rows(url, _UNDER_WAY)
            running = (await client.count_workflows(query)).count
        except (psycopg.OperationalError, RPCError):
            waiting = {"servers": 1}
        else:
            waiting = {kind: count for kind, count in (counts | {"workflows": running}).items() if count}
        if not waiting or is_last:
            break
        await asyncio.sleep(0.5)
    return waiting


async def judge_clicks(url: str, seconds: float) -> None:
    """Wait for the verdicts on reported clicks, at most so long: nothing comes any more that they wait for."""
    async for is_last in looks(seconds):
        if not await _rows(url, _JUDGE_NOW) or is_last:
            return
        await asyncio.sleep(0.5)


async def collect(
    url: str, client: Client, arrivals: list[Arrival], waiting: dict[str, int], reporter: Reporter, pages: Pages
) -> History:
    """Everything, once it has settled."""
    journeys = [JourneyRow(**row) for row in await _rows(url, _JOURNEYS)]
    limit = asyncio.Semaphore(CALLS_AT_ONCE)

    async def end_of(workflow_id: str) -> WorkflowEnd | None:
        async with limit:
            return await _end(client, workflow_id)

    ends = await asyncio.gather(*(end_of(journey.workflow_id) for journey in journeys))
    return History(
        ahead=time() - monotonic(),
        stored=Counter(row["message_id"] for row in await _rows(url, "SELECT message_id FROM events")),
        journeys=journeys,
        messages=[MessageRow(**row) for row in await _rows(url, _MESSAGES)],
        notes=[Note(**row) for row in await _rows(url, _NOTES)],
        workflows={journey.workflow_id: end for journey, end in zip(journeys, ends, strict=True) if end},
        arrivals=arrivals,
        migrations={row["fate"]: row["count"] for row in await _rows(url, _MIGRATIONS)},
        waiting=waiting,
        people=[PersonRow(**row) for row in await _rows(url, _PEOPLE)],
        reports=[*reporter.reports, *pages.reports],
        forgeries=reporter.forgeries,
        reported={(row["message_id"], row["name"]): row["number"] for row in await _rows(url, _REPORTED)},
        suppressed={row["value"] for row in await _rows(url, _SUPPRESSED)},
        inbox={row["id"] for row in await _rows(url, "SELECT message_id::text AS id FROM inbox")},
        readings=pages.readings,
        astray={(row["named"], row["kept_for"]): row["number"] for row in await _rows(url, _ASTRAY)},
    )


async def _end(client: Client, workflow_id: str) -> WorkflowEnd | None:
    handle = client.get_workflow_handle(workflow_id, result_type=str)
    try:
        described = await handle.describe()
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        return None
    name = "NONE" if described.status is None else described.status.name
    version = described.typed_search_attributes.get(CAMPAIGN_VERSION)
    if name in ("RUNNING", "NONE"):
        return WorkflowEnd(name, None, version)
    try:
        return WorkflowEnd(name, await handle.result(), version)
    except WorkflowFailureError:
        return WorkflowEnd(name, None, version)


async def _rows(url: str, sql: str) -> list[dict[str, Any]]:
    async with await psycopg.AsyncConnection.connect(url, row_factory=dict_row) as connection:
        return await (await connection.execute(sql)).fetchall()
