"""Audiences for tests: people, campaigns for them, and the work on their entry without Temporal."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

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
# Those who have entered stay in it.
LASTING = NEWS.replace("steps:", "steps:\n  - {id: rest, delay: 30d}")


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
