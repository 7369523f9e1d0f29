"""People who move through the stages of a life cycle."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from application.deployment_documents import DeploymentDocuments, DocumentPlan, DocumentView
from application.lifecycle import Lifecycle
from application.people import lock_person
from application.person_views import PersonView, show_person
from application.stated_stages import set_stage_by_hand
from domain.access import SOJOURN
from domain.deployment_documents import LIFECYCLE
from domain.people.identity import PersonRef
from domain.people.stage_flow import StageFlow
from store import campaigns
from store.database import Database
from tests.engine.computed_harness import CHECKS
from tests.engine.segment_harness import SegmentHarness


@dataclass
class LifecycleHarness(SegmentHarness):
    async def apply_lifecycle(self, source: str) -> DocumentView:
        """Apply stages, and judge everyone."""
        view = await self._documents().put(LIFECYCLE, source, "lifecycle.yaml", by=SOJOURN)
        await self.operate()
        return view

    async def plan_lifecycle(self, source: str) -> DocumentPlan:
        return await self._documents().plan(LIFECYCLE, source, "lifecycle.yaml")

    async def show_lifecycle(self) -> DocumentView:
        return await self._documents().get(LIFECYCLE)

    async def stage(self, user: str) -> str | None:
        """The stage of a user as they are shown."""
        person = await self._show(user)
        return None if person.stage is None else str(person.stage.value)

    async def causes(self, user: str) -> list[str | None]:
        """Why a user is in each of their segments."""
        return [one.summary for one in (await self._show(user)).segments]

    async def _show(self, user: str) -> PersonView:
        async with self.database.transaction() as connection:
            return await show_person(connection, self.catalogue, PersonRef(user), "{workflow_id}")

    async def set_stage(self, user: str, stage: str | None) -> None:
        """Set the stage of a user by hand, or forget it."""
        async with self.database.transaction() as connection:
            await campaigns.lock_registry_shared(connection)
            person = await lock_person(connection, PersonRef(user))
            await set_stage_by_hand(connection, self.catalogue, person, stage, SOJOURN, anonymous_id=None)

    async def stated_stage(self, user: str) -> str | None:
        """The stage of a user as it was set by hand."""
        async with self.database.transaction() as connection:
            return (await lock_person(connection, PersonRef(user))).stated_stage

    async def flow(self, begin: datetime, end: datetime) -> StageFlow:
        """The moves of a period."""
        return (await Lifecycle(self.database).flow(begin, end)).flow

    def _documents(self) -> DeploymentDocuments:
        return DeploymentDocuments(self.database, CHECKS)


@asynccontextmanager
async def lifecycle_harness(url: str, *, pool_size: int = 4) -> AsyncIterator[LifecycleHarness]:
    async with Database(url, pool_size=pool_size) as database:
        yield LifecycleHarness(database)
