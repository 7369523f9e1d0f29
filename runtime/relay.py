"""The relay delivers the outbox to Temporal, and removes rows once accepted."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from time import monotonic

import psycopg
import structlog
from msgspec import Struct, ValidationError, convert
from msgspec.structs import replace
from opentelemetry.trace import SpanKind
from temporalio.api.common.v1 import Header, Payloads, WorkflowExecution
from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from application.catalogue import Catalogue, LoadedVersion
from domain.campaign.plan import Plan
from domain.errors import NotFoundError
from domain.journey import machine
from domain.journey.position import stored_at_start
from domain.journey.records import anonymous_place, seed_of, user_of
from domain.journey.recovery import Lost, recover
from domain.journey.state import JourneyState
from domain.sending.single_messages import MESSAGE_KEY, SingleMessage
from runtime import metrics
from runtime.journey_workflows import JourneyWorkflows
from runtime.tasks import cancel_and_wait
from runtime.temporal import CALL_TIMEOUT, TRANSIENT, is_without_workflow
from runtime.tracing import child_span, headers_here
from store import journeys, outbox
from store.database import Connection, Database, describe_error
from store.outbox import OutboxRow
from store.trace_context import KEY, context_of
from workflows import options, search_attributes
from workflows.campaign import CampaignWorkflow
from workflows.journey import JourneyInput, JourneyWorkflow
from workflows.retry import RetryInput, RetryWorkflow

log = structlog.get_logger()

BATCH = 100
CONCURRENT_CALLS = 20
# Bulk rows are taken only as many as are delivered at once, so that a row of a single event waits for about one call.
BULK_BATCH = CONCURRENT_CALLS
# The outbox is polled at this interval, in seconds: a notification may be lost with its connection.
LOOK_INTERVAL = 5.0
MAX_PAUSE = 5.0
MAX_POSTPONEMENT = 3_600.0


class TemporalAwayError(Exception):
    """Temporal accepted none of the rows; they stay."""


class Relay:
    """One for each worker process; any number of them share the outbox.

    With `is_eager`, the worker of this process gets the first task of a workflow started here. The server then does not
    check whether its build is current, so a worker of a build must not use it.
    """

    def __init__(
        self, database: Database, catalogue: Catalogue, client: Client, task_queue: str, *, is_eager: bool = True
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._client = client
        self._task_queue = task_queue
        self._is_eager = is_eager
        self._workflows = JourneyWorkflows(client, task_queue)
        self._calls = asyncio.Semaphore(CONCURRENT_CALLS)
        # Workflows whose start was being delivered when a transaction was lost: another relay may have delivered the
        # row since.
        self._unsure: set[str] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until stopped. Survives an absence of Temporal or of the database."""
        pause = 0.0
        wake = asyncio.Event()
        listener = asyncio.create_task(self._listen(wake))
        try:
            while not stop.is_set():
                wake.clear()
                try:
                    polled_at = monotonic()
                    is_idle = await self.deliver_due() == 0
                    pause = 0.0
                    if not is_idle:
                        continue
                    async with self._database.transaction() as connection:
                        due = await outbox.next_due(connection, monotonic() - polled_at)
                    await _wait_for_any(LOOK_INTERVAL if due is None else min(due, LOOK_INTERVAL), stop, wake)
                except (TemporalAwayError, psycopg.OperationalError) as error:
                    pause = min(MAX_PAUSE, max(0.1, pause * 2))
                    log.warning("failed to deliver outbox rows", error=_describe_away(error), seconds=pause)
                    await _wait_for_any(pause, stop)
        finally:
            await cancel_and_wait(listener)

    async def deliver_due(self) -> int:
        """Deliver one batch of due rows; return its size.

        Raises TemporalAwayError if Temporal answered for none of them. If it answered for some, the others are
        postponed a little: a part of Temporal may be away, and must not delay rows that do not need it.
        """
        async with self._database.transaction() as connection:
            unsure = await self._cancel_starts(connection) if self._unsure else set()
            rows = await outbox.take(connection, BATCH, BULK_BATCH)
            self._unsure = unsure | {row.workflow_id for row in rows if row.kind == "start"}
            versions = await self._load_versions(connection, rows)
            results = await asyncio.gather(*(self._deliver(row, versions) for row in rows))
            _count(rows, results, connection.clock.now())
            if accepted := [row.id for row, failure in zip(rows, results, strict=True) if failure is None]:
                await outbox.remove(connection, accepted)
            failures = [failure for failure in results if failure is not None]
            if failures and all(failure.is_away for failure in failures) and not accepted:
                raise TemporalAwayError("Temporal does not answer")
            if failures:
                await outbox.postpone(connection, [(one.row_id, one.delay, one.error) for one in failures])
        self._unsure = unsure
        return len(rows)

    async def _cancel_starts(self, connection: Connection) -> set[str]:
        """End workflows of journeys that ended while their start was being delivered.

        A process that was paused or cut off may deliver a start after the row was removed. The workflows of erased
        people are deleted. Returns the workflows for which Temporal did not answer.
        """
        unanswered = set()
        for workflow_id, by in (await journeys.find_exited(connection, self._unsure)).items():
            try:
                if by is None:
                    await self._workflows.delete([workflow_id])
                else:
                    await self._client.get_workflow_handle(workflow_id).signal(
                        "exit", by, rpc_timeout=timedelta(seconds=CALL_TIMEOUT)
                    )
            except RPCError as error:
                if error.status in TRANSIENT:
                    unanswered.add(workflow_id)
                elif not is_without_workflow(error):
                    place = anonymous_place(workflow_id)
                    log.exception("failed to cancel start", campaign=place[0] if place else None)
        return unanswered

    async def _load_versions(
        self, connection: Connection, rows: Sequence[OutboxRow]
    ) -> dict[tuple[str, int], LoadedVersion]:
        """Load the versions of starts, without those that this release cannot read."""
        versions: dict[tuple[str, int], LoadedVersion] = {}
        for row in rows:
            if row.kind == "start":
                key, number = row.payload["campaign"], row.payload["version"]
                try:
                    versions[key, number] = await self._catalogue.version(connection, key, number)
                except (NotFoundError, ValidationError):
                    log.exception("failed to load version", campaign=key, version=number)
        return versions

    async def _deliver(self, row: OutboxRow, versions: dict[tuple[str, int], LoadedVersion]) -> "_Failure | None":
        async with self._calls:
            try:
                with _span(row):
                    await self._send(row, versions)
            except Exception as error:
                if isinstance(error, RPCError) and error.status in TRANSIENT:
                    return _Failure(
                        row.id, _backoff(row.attempts, 0.1, MAX_PAUSE), _describe_error(error), is_away=True
                    )
                # One faulty row must not affect the others.
                log.exception("failed to deliver outbox row", outbox=row.id, kind=row.kind)
                return _Failure(row.id, _backoff(row.attempts, 1.0, MAX_POSTPONEMENT), _describe_error(error))
        return None

    async def _send(self, row: OutboxRow, versions: dict[tuple[str, int], LoadedVersion]) -> None:
        if row.kind == "start":
            await self._start(row, versions[row.payload["campaign"], row.payload["version"]])
            return
        if row.kind == "campaign":
            await self._wake_campaign(row)
            return
        if row.kind == "retry":
            await self._start_retry(row)
            return
        try:
            await self._signal(row)
        except RPCError as error:
            if not is_without_workflow(error):
                raise
            # The workflow's start was accepted before, since it has no older row, so the workflow has ended since.

    async def _start(self, row: OutboxRow, version: LoadedVersion) -> None:
        # Late entries have lower priority than new ones, in Temporal as well.
        goes_after = row.bulk or row.is_late
        user = user_of(row.workflow_id, version.key)
        plan = _plan_of(row, version)
        recovered, moves = _recover(row, version, plan)
        begun = recovered or machine.begin(plan, row.created_at)
        stored = replace(stored_at_start(plan, begun), move=moves)
        step, state = shown = machine.status(plan, begun)
        attributes = TypedSearchAttributes(
            [
                SearchAttributePair(search_attributes.CAMPAIGN, version.key),
                SearchAttributePair(search_attributes.CAMPAIGN_VERSION, version.version),
                SearchAttributePair(search_attributes.USER_ID, user),
                SearchAttributePair(search_attributes.JOURNEY_STEP, step),
                SearchAttributePair(search_attributes.JOURNEY_STATE, state),
            ]
        )
        try:
            await self._client.start_workflow(
                JourneyWorkflow.run,
                JourneyInput(
                    journey_id=row.payload["journey_id"],
                    campaign=version.key,
                    plan=plan,
                    version=version.version,
                    status=shown,
                    stored_position=stored,
                    state=recovered,
                    shows_end=True,
                ),
                id=row.workflow_id,
                task_queue=self._task_queue,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                search_attributes=attributes,
                static_summary=f"{version.key}, user {user}",
                priority=options.journey_priority(version.key, goes_after=goes_after),
                # The worker that runs the relay may get the first task with the answer, unless a signal follows or
                # others have precedence.
                request_eager_start=self._is_eager and row.is_alone and not goes_after,
                rpc_timeout=timedelta(seconds=CALL_TIMEOUT),
            )
        except WorkflowAlreadyStartedError:
            return

    async def _wake_campaign(self, row: OutboxRow) -> None:
        """Tell the campaign's workflow to look for due transitions; start it if absent."""
        key = row.payload["campaign"]
        await self._client.start_workflow(
            CampaignWorkflow.run,
            key,
            id=row.workflow_id,
            task_queue=self._task_queue,
            start_signal="changed",
            search_attributes=TypedSearchAttributes([SearchAttributePair(search_attributes.CAMPAIGN, key)]),
            static_summary=f"the life of {key}",
            priority=options.CAMPAIGN_PRIORITY,
            rpc_timeout=timedelta(seconds=CALL_TIMEOUT),
        )

    async def _start_retry(self, row: OutboxRow) -> None:
        """Start the retry of a failed message, once for each operation that took it."""
        retry = convert(row.payload, RetryInput)
        try:
            await self._client.start_workflow(
                RetryWorkflow.run,
                retry,
                id=row.workflow_id,
                task_queue=self._task_queue,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                search_attributes=TypedSearchAttributes(
                    [SearchAttributePair(search_attributes.CAMPAIGN, retry.campaign)]
                ),
                static_summary=f"{retry.campaign}, retry of a message",
                priority=options.journey_priority(retry.campaign, goes_after=True),
                rpc_timeout=timedelta(seconds=CALL_TIMEOUT),
            )
        except WorkflowAlreadyStartedError:
            return

    async def _signal(self, row: OutboxRow) -> None:
        """Send the row's signal with its own request id, so that repeats are one signal."""
        name, arguments = _signal_of(row)
        await self._client.workflow_service.signal_workflow_execution(
            SignalWorkflowExecutionRequest(
                namespace=self._client.namespace,
                workflow_execution=WorkflowExecution(workflow_id=row.workflow_id),
                signal_name=name,
                input=Payloads(payloads=await self._client.data_converter.encode(arguments)),
                identity=self._client.identity,
                request_id=f"outbox-{row.id}",
                header=Header(fields=headers) if (headers := headers_here()) else None,
            ),
            retry=True,
            timeout=timedelta(seconds=CALL_TIMEOUT),
        )

    async def _listen(self, wake: asyncio.Event) -> None:
        """Wake the loop when a transaction that appended to the outbox commits."""
        while True:
            try:
                connection = await psycopg.AsyncConnection.connect(self._database.url, autocommit=True)
                async with connection:
                    await connection.execute(f"LISTEN {outbox.CHANNEL}")
                    wake.set()
                    async for _ in connection.notifies():
                        wake.set()
            except psycopg.OperationalError as error:
                log.warning("failed to listen for outbox rows", error=describe_error(error))
                await asyncio.sleep(1)


def _plan_of(row: OutboxRow, version: LoadedVersion) -> Plan:
    """Return the plan of a journey: its version's, or that of its single message."""
    single = row.payload.get(MESSAGE_KEY)
    return version.plan if single is None else convert(single, SingleMessage).plan()


def _recover(row: OutboxRow, version: LoadedVersion, plan: Plan) -> tuple[JourneyState | None, int]:
    """Return the state and the last move of a journey whose workflow was lost.

    (None, 0) for a new journey.
    """
    if (known := row.payload.get("lost")) is None:
        return None, 0
    lost = convert(known, Lost)
    return recover(plan, lost, row.created_at, seed_of(row.workflow_id, version.key)), lost.moves


class _Failure(Struct, frozen=True):
    """Why a row was not delivered, and the delay of its next attempt.

    `is_away`: the row is not at fault.
    """

    row_id: int
    delay: float
    error: str
    is_away: bool = False


def _count(rows: Sequence[OutboxRow], results: Sequence[_Failure | None], now: datetime) -> None:
    for row, failure in zip(rows, results, strict=True):
        if failure is None:
            metrics.RELAY_DELIVERIES.labels(row.kind, "accepted").inc()
            metrics.RELAY_SECONDS.labels(row.kind).observe(max(0.0, (now - row.created_at).total_seconds()))
        else:
            metrics.RELAY_DELIVERIES.labels(row.kind, "away" if failure.is_away else "refused").inc()


def _span(row: OutboxRow) -> AbstractContextManager[object]:
    """Open a span in the trace that wrote the row; none for a campaign's workflow."""
    trace, place = row.payload.get(KEY), anonymous_place(row.workflow_id)
    if trace is None or place is None:
        return nullcontext()
    attributes: dict[str, str | int] = {
        "sojourn.outbox": row.id,
        "sojourn.campaign": place[0],
        "sojourn.journey": place[1],
    }
    return child_span(f"relay {row.kind}", SpanKind.PRODUCER, attributes, context_of(trace))


def _signal_of(row: OutboxRow) -> tuple[str, list[str | int]]:
    """Return the name of a row's signal, and its arguments."""
    match row.kind:
        case "matched":
            return "matched", [row.payload["subscription"], row.payload["event_id"], row.payload["version"]]
        case "exit":
            return "exit", [row.payload["by"]]
        case "resume":
            return "resume", []
        case "skip":
            return "skip", [row.payload["step"]]
        case _:
            raise ValueError(f"outbox row {row.id} is of no known kind: {row.kind}")


def _backoff(attempts: int, first: float, longest: float) -> float:
    """Double the delay with each attempt. A row may be tried for years."""
    return min(longest, first * 2.0 ** min(attempts, 20))


def _describe_away(error: TemporalAwayError | psycopg.OperationalError) -> str:
    return describe_error(error) if isinstance(error, psycopg.OperationalError) else str(error)


def _describe_error(error: Exception) -> str:
    return f"{error.status.name}: {error.message}" if isinstance(error, RPCError) else type(error).__name__


async def _wait_for_any(seconds: float, *events: asyncio.Event) -> None:
    """Wait until one of the events is set, at most for a time."""
    tasks = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
