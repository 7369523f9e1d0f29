"""Runs of audiences by a deployment's clock that is ahead of Temporal's.

A run that begins twice, here and later by its schedule, counts once: an audience enters once a day.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import psycopg
import structlog
from google.protobuf.timestamp_pb2 import Timestamp
from msgspec import Struct
from temporalio.api.workflowservice.v1 import ListScheduleMatchingTimesRequest
from temporalio.client import Client, ScheduleBackfill, ScheduleHandle, ScheduleOverlapPolicy
from temporalio.service import RPCError, RPCStatusCode

from domain.errors import UnavailableError
from runtime.schedules import schedule_id
from store.database import Database
from store.forward import clock_ahead, live_campaigns

log = structlog.get_logger()

BEGIN_SECONDS = 60.0
LOOK_SECONDS = 0.05
INTERVAL_SECONDS = 10.0


class DueRun(Struct, frozen=True):
    """A run of the audience of a campaign, and its scheduled instant."""

    campaign: str
    at: datetime


class AudienceClock:
    """The schedules of audiences in one Temporal namespace."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def find_due(self, campaigns: Sequence[str], after: datetime, until: datetime) -> list[DueRun]:
        """Return the runs between two instants, without those of paused schedules."""
        return [DueRun(key, at) for key in campaigns for at in await self._times(key, after, until)]

    async def begin(self, run: DueRun) -> None:
        """Let the schedule begin a run, and wait until its entry is requested."""
        handle = self._handle(run.campaign)
        before = (await handle.describe()).info.num_actions
        await handle.backfill(ScheduleBackfill(run.at, run.at, overlap=ScheduleOverlapPolicy.BUFFER_ALL))
        async with asyncio.timeout(BEGIN_SECONDS):
            while True:
                info = (await handle.describe()).info
                if info.num_actions > before and not info.running_actions:
                    return
                await asyncio.sleep(LOOK_SECONDS)

    async def _times(self, campaign: str, after: datetime, until: datetime) -> list[datetime]:
        handle = self._handle(campaign)
        try:
            if (await handle.describe()).schedule.state.paused:
                return []
            found = await self._client.workflow_service.list_schedule_matching_times(
                ListScheduleMatchingTimesRequest(
                    namespace=self._client.namespace,
                    schedule_id=handle.id,
                    start_time=_timestamp(after),
                    end_time=_timestamp(until),
                )
            )
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            return []  # a campaign without a recurring audience
        times = (at.ToDatetime(UTC) for at in found.start_time)
        return [at for at in times if after < at <= until]

    def _handle(self, campaign: str) -> ScheduleHandle:
        return self._client.get_schedule_handle(schedule_id(campaign))


async def keep_running_audiences(database: Database, audiences: AudienceClock) -> None:
    """Begin runs as they become due while the deployment's clock is ahead."""
    after = await database.now()
    while True:
        await asyncio.sleep(INTERVAL_SECONDS)
        try:
            async with database.transaction() as connection:
                until, is_ahead = connection.clock.now(), await clock_ahead(connection) > timedelta(0)
                keys = await live_campaigns(connection) if is_ahead else []
            for run in await audiences.find_due(keys, after, until):
                await audiences.begin(run)
            after = until
        except (psycopg.OperationalError, RPCError, TimeoutError, UnavailableError) as error:
            log.warning("failed to begin audience runs", error=type(error).__name__)


def _timestamp(at: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(at.astimezone(UTC))
    return timestamp
