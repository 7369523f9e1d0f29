"""Move the time of a development deployment from one due instant to the next.

First the deployment's clock moves, then those of its workflows: each has its own in Temporal. All move together, so
that workflows meet at the same time, and messages count towards caps in the order in which they are due. Everything due
within `MARGIN` of one instant happens in one move, in no certain order.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

from msgspec import Struct
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import TimeSkipper

from application.rfm_scores import find_score_day
from domain.journey.records import campaign_workflow_id
from domain.people.session_events import SESSION_ENDED
from runtime.embedded.audience_clock import AudienceClock, DueRun
from store import campaigns, clock, forward, operations
from store.database import Connection, Database

# The rest of a skip after a timer fires must outlast the workflow's reaction: after the skip's end, the server would
# skip the whole next timer.
MARGIN = timedelta(seconds=30)
# Workflows this close to the deployment's clock stay.
TOLERANCE = timedelta(seconds=2)
SETTLE_SECONDS = 120.0
LOOK_SECONDS = 0.05
CONCURRENT_CALLS = 20
HORIZON = timedelta(days=366)


class Moved(Struct, frozen=True):
    """One move: the deployment's time, the moved journeys, and the busy workflows."""

    at: datetime
    journeys: int
    unsettled: Sequence[str]


class Due(Struct, frozen=True):
    """Something that happens by itself, and when."""

    at: datetime
    summary: str


class _Look(Struct, frozen=True):
    """A running workflow: its time, and whether it is busy."""

    handle: WorkflowHandle[object, object]
    at: datetime
    is_busy: bool


class Forwarder:
    """Moves one deployment of `sojourn dev`."""

    def __init__(self, database: Database, client: Client) -> None:
        self._database = database
        self._client = client
        self._skipper = TimeSkipper(client)
        self._audiences = AudienceClock(client)
        self._calls = asyncio.Semaphore(CONCURRENT_CALLS)

    async def forward(self, by: timedelta) -> AsyncIterator[Moved]:
        """Move the time, and by at most `MARGIN` more if something is due at its end.

        Raises psycopg.errors.RaiseException in a deployment whose clock cannot be moved.
        """
        await self._settle()
        target = await self._database.now() + by
        while (now := await self._database.now()) < target:
            runs = await self._find_runs(now, target)
            due = _first([*await self._find_due(now), *map(_due_run, runs)])
            at = target if due is None or due.at > target else due.at + MARGIN
            await self._advance(at - now)
            for run in runs:
                if run.at <= at:
                    await self._audiences.begin(run)
            async with self._database.transaction() as connection:
                journeys = len(await forward.open_journeys(connection))
            yield Moved(at, journeys, await self._settle())

    async def next_due(self) -> Due | None:
        """Return what becomes due next, within a year."""
        now = await self._database.now()
        runs = await self._find_runs(now, now + HORIZON)
        return _first([*await self._find_due(now), *map(_due_run, runs)])

    async def _find_due(self, now: datetime) -> list[Due]:
        """Return what is due first of journeys, people, scores and campaigns."""
        async with self._database.transaction() as connection:
            wake = await forward.next_wake(connection, now)
            found = [Due(wake.at, f"{wake.user}  {wake.campaign}  {wake.step or ''}".rstrip())] if wake else []
            people = {
                "a computed trait may change": await forward.next_look(connection, now),
                SESSION_ENDED: await forward.next_session_end(connection, now),
            }
            found += [Due(due.at, f"{due.user}  {summary}") for summary, due in people.items() if due is not None]
            if (day := await find_score_day(connection)) is not None:
                found.append(Due(day.ends_at, "the breakpoints of RFM are computed"))
            for key in await forward.live_campaigns(connection):
                if (facts := await campaigns.campaign_facts(connection, key)) is not None:
                    instants = {"starts": facts.starts_at, "ends": facts.ends_at}
                    found += [Due(at, f"{key} {verb}") for verb, at in instants.items() if at is not None and at > now]
        return found

    async def _find_runs(self, after: datetime, until: datetime) -> list[DueRun]:
        async with self._database.transaction() as connection:
            keys = await forward.live_campaigns(connection)
        return await self._audiences.find_due(keys, after, until)

    async def _advance(self, by: timedelta) -> None:
        async with self._database.transaction() as connection:
            await clock.advance(connection, by)
            await forward.wake_relay(connection)

    async def _settle(self) -> Sequence[str]:
        """Bring all workflows to the deployment's time and wait until none is busy.

        Returns the ids of those still busy after `SETTLE_SECONDS`, such as one whose provider is away.
        """
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + SETTLE_SECONDS
        while True:
            async with self._database.transaction() as connection:
                is_at_work = await _is_at_work(connection)
                unsettled: Sequence[str] = [
                    *map(campaign_workflow_id, await forward.live_campaigns(connection)),
                    *await forward.open_journeys(connection),
                ]
            # A workflow may signal or start another: the work is done when all are found at rest at once.
            unsettled = await self._find_unsettled(unsettled)
            if not unsettled and not is_at_work:
                return []
            while unsettled and loop.time() < give_up_at:
                await asyncio.sleep(LOOK_SECONDS)
                unsettled = await self._find_unsettled(unsettled)
            if loop.time() > give_up_at:
                return unsettled
            await asyncio.sleep(LOOK_SECONDS)

    async def _find_unsettled(self, workflow_ids: Sequence[str]) -> Sequence[str]:
        """Bring these to the deployment's time; return those that lagged or are busy."""
        now = await self._database.now()
        found = await asyncio.gather(*(self._catch_up(workflow_id, now) for workflow_id in workflow_ids))
        return [workflow_id for workflow_id, is_settled in zip(workflow_ids, found, strict=True) if not is_settled]

    async def _catch_up(self, workflow_id: str, now: datetime) -> bool:
        """Return whether a workflow was at this time and idle; else move its clock."""
        async with self._calls:
            look = await self._look(workflow_id)
            if look is None:
                return True
            if now - look.at <= TOLERANCE:
                return not look.is_busy
            await self._skip(look.handle, now - look.at)
            return False

    async def _look(self, workflow_id: str) -> _Look | None:
        """Return how a workflow is; None for one that is over, or not there yet."""
        handle: WorkflowHandle[object, object] = self._client.get_workflow_handle(workflow_id)
        try:
            described = (await handle.describe()).raw_description
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            return None
        if described.workflow_execution_info.HasField("close_time"):
            return None
        extended = described.workflow_extended_info
        at = datetime.now(UTC)
        if extended.HasField("time_skipping_info"):
            at = extended.time_skipping_info.current_time.ToDatetime(UTC)
        has_task = described.HasField("pending_workflow_task")
        return _Look(
            handle, at, has_task or any(_is_running(activity, at) for activity in described.pending_activities)
        )

    async def _skip(self, handle: WorkflowHandle[object, object], by: timedelta) -> None:
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                await self._skipper.fast_forward(handle, by)
        except TimeoutError:
            return  # an activity keeps it, as the next look says
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:  # over before its clock could be moved
                raise


async def _is_at_work(connection: Connection) -> bool:
    """Return whether workers have something to do now, apart from workflows."""
    if await forward.has_due_rows(connection) or await forward.has_due_people(connection):
        return True
    day = await find_score_day(connection)
    return (day is not None and day.is_due) or await operations.is_any_going(connection)


def _is_running(activity: PendingActivityInfo, at: datetime) -> bool:
    """Return whether an activity runs or is due, not awaiting its next attempt."""
    is_waiting = activity.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
    return not is_waiting or activity.scheduled_time.ToDatetime(UTC) <= at


def _due_run(run: DueRun) -> Due:
    return Due(run.at, f"the audience of {run.campaign} enters")


def _first(found: Sequence[Due]) -> Due | None:
    return min(found, key=lambda due: due.at, default=None)
