"""What a campaign's workflow asks of the world."""

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

# An activity works on operations for so long before it says so; what was done is kept with every page.
WORK_SECONDS = 60.0
BEAT_SECONDS = 1.0


class AdvanceRequest(Struct, frozen=True):
    """Look what is due in the life of a campaign at this instant of its workflow's clock."""

    campaign: str
    at: datetime


class CampaignActivities:
    """The activities of the campaigns' workflows, on the journeys' own task queue."""

    def __init__(self, life: CampaignLife, audience_runs: AudienceRuns, operations: OperationRunner) -> None:
        self._life = life
        self._audience_runs = audience_runs
        self._operations = operations

    @activity.defn
    async def advance_campaign(self, request: AdvanceRequest) -> AdvanceResult:
        """Do what is due; what is to be expected then."""
        result = await self._life.advance(request.campaign, request.at)
        try:
            await self._audience_runs.keep_schedule(request.campaign)
        except RPCError as error:
            if not result.operations:
                raise
            # The workflow looks again once it has worked on these, which must not wait for a schedule.
            log.warning("the schedule of an audience cannot be kept", campaign=request.campaign, error=error.message)
        return result

    @activity.defn
    async def work_on_operations(self, campaign: str) -> bool:
        """Work on what is to be done to many; False once there is nothing more."""
        deadline = monotonic() + WORK_SECONDS

        def goes_on() -> bool:
            return monotonic() < deadline and not activity.is_worker_shutdown()

        beating = asyncio.create_task(_beat())
        try:
            return await self._operations.work(campaign, goes_on=goes_on)
        finally:
            beating.cancel()


async def _beat() -> None:
    """Say that this process lives, also while a page takes long."""
    while True:
        activity.heartbeat()
        await asyncio.sleep(BEAT_SECONDS)
