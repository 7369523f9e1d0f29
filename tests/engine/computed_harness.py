"""People whose events computed traits count: documents, batches of events, the backfill, and their states."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from application.activity import ActivityConsumer
from application.campaigns import Campaigns
from application.catalogue import Catalogue
from application.computed_traits import BackfillHandler
from application.consumers import consume_page
from application.deployment_documents import DeploymentDocuments, DocumentPlan, DocumentView
from application.documents import CampaignText
from application.ingest import Ingest
from application.operations.runner import OperationRunner
from domain.access import SOJOURN
from domain.campaign.publication import Published, check
from domain.deployed_names import DeployedNames
from domain.deployment_documents import COMPUTED, DocumentKind, Rule
from domain.people.computed.deployed import DeployedTraits
from domain.people.computed.state_row import EMPTY
from domain.people.segment_document import CheckedSegment, SegmentSource, check_segments
from domain.people.segments.definition import SegmentRule
from domain.tracking.event import CallType, Event
from runtime.documents import DocumentProcesses
from store import campaigns, profile_states
from store.database import Database
from tests.harness import PATIENCE


def event(
    name: str | None,
    user: str | None = "u1",
    *,
    at: datetime | None = None,
    type: CallType = "track",
    anonymous: str | None = None,
    message_id: str | None = None,
    **properties: Any,
) -> Event:
    id = uuid4()
    return Event(
        id=id,
        message_id=message_id or str(id),
        type=type,
        name=name,
        user_id=user,
        anonymous_id=anonymous,
        properties=properties,
        context={},
        timestamp=at or datetime.now(UTC),
    )


class _Checks(DocumentProcesses):
    """The checks without a process for each, which takes a second."""

    async def rules(self, kind: DocumentKind[Rule], source: str, file: str) -> list[Rule]:
        return list(kind.parse(source, file))

    async def segments(
        self, texts: Sequence[SegmentSource], names: DeployedNames, deployed: Mapping[str, SegmentRule]
    ) -> list[CheckedSegment]:
        return check_segments(texts, names, deployed)

    async def campaign(self, text: CampaignText) -> Published:
        return check(text.source, text.file, text.templates, text.names)


CHECKS = _Checks()


@dataclass
class ComputedHarness:
    database: Database
    catalogue: Catalogue = field(default_factory=Catalogue)

    async def apply(self, source: str) -> DocumentView:
        return await DeploymentDocuments(self.database, CHECKS).put(COMPUTED, source, "computed.yaml", by=SOJOURN)

    async def plan(self, source: str) -> DocumentPlan:
        return await DeploymentDocuments(self.database, CHECKS).plan(COMPUTED, source, "computed.yaml")

    async def run_campaign(self, source: str) -> None:
        campaigns = Campaigns(self.database, CHECKS)
        published = await campaigns.publish(source, "campaign.yaml", {}, by=SOJOURN)
        await campaigns.start(published.key, by=SOJOURN)

    async def entered(self) -> list[str]:
        """The users who have entered, once for each journey."""
        async with self.database.transaction() as connection:
            cursor = await connection.execute(
                "SELECT user_id FROM journeys JOIN profiles ON profiles.id = profile_id ORDER BY user_id"
            )
            return [row["user_id"] async for row in cursor]

    async def ingest(self, *batch: Event, at: datetime | None = None) -> None:
        await Ingest(self.database, self.catalogue)(batch, received_at=at or datetime.now(UTC))

    async def backfill(self) -> None:
        assert await OperationRunner(self.database, {"backfill": BackfillHandler()}).work_on_deployment() is None

    async def learn(self) -> None:
        """Follow the activity of people; transactions of other tests may still be open."""
        async with asyncio.timeout(PATIENCE):
            while await self.count("events WHERE recorded_xid > (SELECT COALESCE(max(xid), 0) FROM stream_consumers)"):
                assert await consume_page(self.database, ActivityConsumer(self.catalogue)) is not None
                await asyncio.sleep(0.02)

    async def count(self, rows: str) -> int:
        """Count rows."""
        async with self.database.transaction() as connection:
            [row] = await (await connection.execute(f"SELECT count(*) AS count FROM {rows}")).fetchall()  # noqa: S608
            return int(row["count"])

    async def traits(self) -> DeployedTraits:
        async with self.database.transaction() as connection:
            revision = await campaigns.lock_registry_shared(connection)
            return await self.catalogue.computed_at(connection, revision)

    async def values(self, user: str = "u1", at: datetime | None = None) -> Mapping[str, Any]:
        """The values of those traits that are ready."""
        traits = await self.traits()
        async with self.database.transaction() as connection:
            cursor = await connection.execute("SELECT id FROM profiles WHERE user_id = %s", (user,))
            [row] = await cursor.fetchall()
            rows = await (await profile_states.read(connection, [row["id"]])).get()
        return dict(traits.view(rows.get(row["id"], EMPTY).state, at or datetime.now(UTC)))


@asynccontextmanager
async def computed_harness(url: str, *, pool_size: int = 4) -> AsyncIterator[ComputedHarness]:
    async with Database(url, pool_size=pool_size) as database:
        yield ComputedHarness(database)
