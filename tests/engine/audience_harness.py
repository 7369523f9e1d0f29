"""People in audiences at an ad platform: documents, steps, judgements and flushes, without Temporal."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest

from application.ad_audiences import MirrorHandler
from application.ad_flush import AdPlatforms, AudienceFlush, AudienceJudge
from application.deployment_documents import DeploymentDocuments
from application.operations.runner import OperationRunner
from application.segments import JudgeHandler
from application.step_decisions import StepDecisions
from channels.ad_platforms.meta import Meta
from domain.access import SOJOURN
from domain.deployment_documents import AUDIENCES, PROVIDERS
from domain.journey.records import Ending
from domain.journey.requests import ActionRequest
from domain.journey.state import EndState
from store import journeys
from store.database import Database
from tests.engine.ad_platform import MetaServer, meta_server
from tests.engine.computed_harness import CHECKS, event
from tests.engine.positions import UNRECORDED
from tests.engine.segment_harness import SegmentHarness
from tests.harness import now

ACCOUNT = "providers:\n  meta: {kind: meta, token: {env: SOJOURN_SECRET_META}}\n"
TRIAL = "audiences:\n  trial-unused: {provider: meta, id: '77'}\n"
MIRROR = "audiences:\n  vips: {provider: meta, id: '77', mirror: vip}\n"
CAMPAIGN = """
key: trial
name: Trial
entry: {event: Trial Started}
exit: [{event: Subscribed}]
steps:
  - {id: in, audience: {add: trial-unused}}
  - {id: rest, delay: 30d}
  - {id: out, audience: {remove: trial-unused}}
"""


@dataclass
class AudienceHarness(SegmentHarness):
    server: MetaServer = field(kw_only=True)

    def __post_init__(self) -> None:
        self.flusher = AudienceFlush(
            self.database, self.catalogue, AdPlatforms(lambda rule: Meta("token", self.server.base, seconds=60.0))
        )

    async def put_documents(self, audiences: str) -> None:
        await DeploymentDocuments(self.database, CHECKS).put(PROVIDERS, ACCOUNT, "providers.yaml", by=SOJOURN)
        await self.put_audiences(audiences)

    async def put_audiences(self, audiences: str) -> None:
        await DeploymentDocuments(self.database, CHECKS).put(AUDIENCES, audiences, "audiences.yaml", by=SOJOURN)

    async def identify(self, user: str, **traits: Any) -> None:
        await self.ingest(event(None, user, type="identify", **traits))

    async def enter(self, user: str, *, ads: bool | None = True) -> UUID:
        """A user who is in the campaign; their journey."""
        consent = {} if ads is None else {"consent": {"ads": ads}}
        await self.identify(user, email=f"{user}@example.com", **consent)
        await self.ingest(event("Trial Started", user))
        [row] = await self.rows(
            "SELECT journeys.id FROM journeys JOIN profiles ON profiles.id = profile_id WHERE user_id = %s "
            "ORDER BY entered_at DESC LIMIT 1",
            user,
        )
        return UUID(str(row["id"]))

    async def perform(self, journey_id: UUID, step: str) -> bool:
        doer = StepDecisions(self.database, self.catalogue, "UTC")
        return await doer.perform(ActionRequest(journey_id, step, 1, now(), None, {}, UNRECORDED))

    async def end(self, journey_id: UUID, state: EndState) -> None:
        async with self.database.transaction() as connection:
            await journeys.end(connection, [Ending(journey_id, state, "test", None, now())])

    async def judge(self) -> None:
        """Judge all who are marked."""
        while (await AudienceJudge(self.database).sweep()).number:
            pass

    async def mirror(self) -> None:
        """Do what operations have to do about segments and audiences."""
        handlers: Any = {"judge": JudgeHandler(self.catalogue), "mirror": MirrorHandler()}
        assert await OperationRunner(self.database, handlers).work_on_deployment() is None

    async def flush(self) -> None:
        """Judge all who are marked, and flush all audiences once, as if a minute had passed."""
        await self.judge()
        async with self.database.transaction() as connection:
            await connection.execute("UPDATE ad_audiences SET flush_at = 'epoch'")
            cursor = await connection.execute("SELECT count(*) AS n FROM ad_audiences")
            [row] = await cursor.fetchall()
        for _ in range(row["n"]):
            await self.flusher.sweep()

    async def rows(self, sql: str, *parameters: Any) -> list[dict[str, Any]]:
        async with self.database.transaction() as connection:
            found: list[dict[str, Any]] = await (await connection.execute(sql, parameters)).fetchall()
            return found

    async def members(self) -> dict[str, str | None]:  # type: ignore[override]
        """The users with a row, and why they are not wanted."""
        rows = await self.rows(
            "SELECT user_id, reason FROM ad_audience_members LEFT JOIN profiles ON profiles.id = profile_id"
        )
        return {row["user_id"]: row["reason"] for row in rows}

    def at_platform(self, audience: str = "77") -> set[str]:
        return self.server.audiences.get(audience, set())

    def people(self, *users: str) -> set[str]:
        """The hashes of users."""
        return self.server.people(*(f"{user}@example.com" for user in users))


@asynccontextmanager
async def audience_harness(url: str, *, pool_size: int = 4) -> AsyncIterator[AudienceHarness]:
    async with meta_server() as server, Database(url, pool_size=pool_size) as database:
        harness = AudienceHarness(database, server=server)
        try:
            yield harness
        finally:
            await harness.flusher.platforms.close()


@pytest.fixture
async def harness(database_url: str) -> AsyncIterator[AudienceHarness]:
    async with audience_harness(database_url) as opened:
        yield opened


@pytest.fixture
async def trial(harness: AudienceHarness) -> AudienceHarness:
    """An audience that steps fill, and the campaign that does."""
    await harness.put_documents(TRIAL)
    await harness.run_campaign(CAMPAIGN)
    return harness
