"""Audiences for tests: people, campaigns for them, and the work on their entry without Temporal."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from application.approval_gate import ApprovalGate
from application.campaigns import Campaigns
from application.catalogue import Catalogue
from application.ingest import Ingest
from application.operations.enrol import EnrolHandler
from application.operations.runner import OperationRunner
from domain.access import SOJOURN
from runtime.documents import DocumentProcesses
from store import operations
from store.database import Database
from store.operations import Operation
from tests.engine.ingesting import event
from tests.harness import MAIL

NEWS = """
key: news
name: News
entry: {audience: {where: profile.traits.plan == "trial", rate: 10000}}
steps:
  - {id: mail, send: {channel: email, template: note}}
"""
TRIAL = {"plan": "trial"}
# Those who have entered stay in it.
LASTING = NEWS.replace("steps:", "steps:\n  - {id: rest, delay: 30d}")
RECURRING = LASTING.replace("rate:", 'again: {every: week, days: [mon], at: "09:00"}, rate:')
# An entry after `most` people waits for the gate to open.
GATE = """
CREATE TABLE gate (most int);
INSERT INTO gate VALUES (0);
CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = 0 AS $$
BEGIN
  IF (SELECT count(*) FROM journeys) >= (SELECT most FROM gate) THEN
    PERFORM pg_advisory_xact_lock_shared(1200);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER gate BEFORE INSERT ON journeys FOR EACH STATEMENT EXECUTE FUNCTION wait_at_gate();
"""


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, pool_size=10) as opened:
        yield opened


def many(count: int, **traits: Any) -> dict[str, dict[str, Any]]:
    return {f"u{number:04}": {**TRIAL, **traits} for number in range(count)}


async def people(ingest: Ingest, traits: Mapping[str, Mapping[str, Any]]) -> None:
    """Have it reported who there is."""
    # Of two at one instant, the order of their ids decides.
    known = [event("identify", user, at=datetime.now(UTC), **of_them) for user, of_them in traits.items()]
    for start in range(0, len(known), 1_000):
        await ingest(known[start : start + 1_000], received_at=datetime.now(UTC))


async def start(database: Database, source: str = LASTING) -> str:
    """Publish and start a campaign; its key."""
    campaigns = Campaigns(database, DocumentProcesses())
    published = await campaigns.publish(source, "campaign.yaml", {"note.liquid": MAIL}, by=SOJOURN)
    await campaigns.start(published.key, by=SOJOURN)
    return published.key


async def enter(
    database: Database, key: str = "news", timezone: str | None = None, above: int | None = None
) -> list[Operation]:
    """Work on what there is to do until there is nothing more; the campaign's operations, newest first."""
    handler = EnrolHandler(Catalogue(timezone), ApprovalGate(database, "UTC", above))
    work = OperationRunner(database, {"enrol": handler})
    await work.work(key, goes_on=lambda: True)
    async with database.transaction() as connection:
        return await operations.list_campaign(connection, key, 100)


async def users(database: Database, key: str = "news") -> list[str]:
    """Whose journeys there are, one for each journey."""
    async with database.transaction() as connection:
        cursor = await connection.execute(
            "SELECT user_id FROM journeys JOIN profiles ON profiles.id = profile_id WHERE campaign_key = %s", (key,)
        )
        return sorted([row["user_id"] async for row in cursor])
