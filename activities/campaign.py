"""The activities of a campaign's workflow."""

import asyncio
from datetime import datetime
from time import monotonic

import structlog
from msgspec import Struct
from temporalio import activity
from temporalio.service import RPCError

from application.audience_schedule import AudienceRuns
from application.campaign_life import CampaignLife
from application.operations.runner import OperationRunner
from domain.campaign.life import AdvanceResult

log = structlog.get_logger()

# How long an activity works on operations before it returns; every page is committed by itself.
WORK_SECONDS = 60.0
BEAT_SECONDS = 1.0


class AdvanceRequest(Struct, frozen=True):
    """A check of what is due in a campaign, at this instant of its workflow's clock."""

    campaign: str
    at: datetime


class CampaignActivities:
    """The activities of campaign workflows, on the journeys' task queue."""

    def __init__(self, life: CampaignLife, audience_runs: AudienceRuns, operations: OperationRunner) -> None:
        self._life = life
        self._audience_runs = audience_runs
        self._operations = operations

    @activity.defn
    async def advance_campaign(self, request: AdvanceRequest) -> AdvanceResult:
        """Apply due transitions; return what to expect next."""
        result = await self._life.advance(request.campaign, request.at)
        try:
            await self._audience_runs.keep_schedule(request.campaign)
        except RPCError as error:
            if not result.operations:
                raise
            # The workflow checks again after working on operations, which must not wait for a schedule.
            log.warning("failed to update audience schedule", campaign=request.campaign, error=error.message)
        return result

    @activity.defn
    async def work_on_operations(self, campaign: str) -> bool:
        """Work on operations; return False once there are none."""
        deadline = monotonic() + WORK_SECONDS

        def goes_on() -> bool:
            return monotonic() < deadline and not activity.is_worker_shutdown()

        beating = asyncio.create_task(_beat())
        try:
            return await self._operations.work(campaign, goes_on=goes_on)
        finally:
            beating.cancel()


async def _beat() -> None:
    """Send heartbeats, also during a long page."""
    while True:
        activity.heartbeat()
        await asyncio.sleep(BEAT_SECONDS)
