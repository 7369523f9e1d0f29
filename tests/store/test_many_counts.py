"""With a million journeys and refusals, every number is answered within a second."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from time import monotonic

import psycopg
import pytest

from application.campaign_graph import CampaignGraphs
from application.campaign_numbers import CampaignsNumbers
from application.count_sweeper import CountSweeper
from application.non_sends import NonSends
from domain.access import SOJOURN
from store.database import Database
from store.non_sends import NonSendFilter
from tests.proofs import rounds

JOURNEYS = rounds(2_000, 1_000_000)
MAX_SECONDS = 1.0
SOURCE = """
key: crowd
name: Crowd
entry: {event: Signed Up}
steps:
  - {id: rest, delay: 1h}
  - {id: mail, send: {channel: email, template: note}}
  - {id: after, delay: 1d}
"""
_FILL = """
INSERT INTO campaigns (key, name, state, running_version, latest_version)
VALUES ('crowd', 'Crowd', 'running', 1, 1);
INSERT INTO campaign_versions (campaign_key, version, name, file, source, templates, plan, rules)
VALUES ('crowd', 1, 'Crowd', 'crowd.yaml', 'SOURCE', '{}', '{}', '{}');
INSERT INTO profiles (id, user_id)
SELECT lpad(to_hex(n), 32, '0')::uuid, 'u' || n FROM generate_series(1, JOURNEYS) AS n;
INSERT INTO journeys (id, campaign_key, campaign_version, profile_id, workflow_id, entry, step, status, entered_at,
                      since)
SELECT id, 'crowd', 1, id, user_id, '{}', CASE WHEN uuid_hash(id) & 1 = 0 THEN 'rest' ELSE 'after' END, 'waiting',
       now(), now() - (uuid_hash(id) & 1023) * interval '1 minute' FROM profiles;
INSERT INTO decisions (id, profile_id, campaign_key, journey_id, kind, outcome, reason, step, at)
SELECT id, id, 'crowd', id, 'send', 'refused', CASE WHEN uuid_hash(id) & 2 = 0 THEN 'no_consent' ELSE 'capped' END,
       'mail', now() - (uuid_hash(id) & 4095) * interval '1 minute' FROM profiles;
"""


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    statements = _FILL.replace("SOURCE", SOURCE).replace("JOURNEYS", str(JOURNEYS))
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute(statements.encode())
        await connection.execute("VACUUM ANALYZE")
    async with Database(database_url, pool_size=2) as opened:
        yield opened


@pytest.mark.prove
@pytest.mark.takes_long
async def test_every_number_is_answered_within_a_second(database: Database) -> None:
    began = monotonic()
    while (await CountSweeper(database).sweep()).number:
        pass
    report("fold", monotonic() - began)
    today = (await database.now()).date()
    week = NonSendFilter(first=today - timedelta(days=6), last=today)

    async def graph() -> int:
        nodes = (await CampaignGraphs(database)("crowd", None)).nodes
        return sum(node.here for node in nodes)

    async def numbers() -> int:
        return (await CampaignsNumbers(database)(14)).campaigns[0].in_flight

    async def refusals() -> int:
        return (await NonSends(database).count(week, "reason")).total.times

    async def refusals_by_campaign() -> int:
        return (await NonSends(database).count(week, "campaign")).groups[0].times

    for ask in (graph, numbers, refusals, refusals_by_campaign):
        assert await take(ask) == JOURNEYS

    async def people() -> int:
        return len(await NonSends(database).list(week, limit=100, by=SOJOURN))

    assert await take(people) == 100


async def take(ask: Callable[[], Awaitable[int]]) -> int:
    """Ask three times; the best answer is in time."""
    seconds = []
    for _ in range(3):
        began = monotonic()
        found = await ask()
        seconds.append(monotonic() - began)
    report(ask.__name__, min(seconds))
    assert min(seconds) < MAX_SECONDS
    return found


def report(what: str, seconds: float) -> None:
    print(f"{what}: {seconds * 1_000:.0f} ms")  # noqa: T201
