"""The relay: takes what the outbox holds to Temporal, and forgets it once Temporal has accepted it."""

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
from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from application.catalogue import Catalogue, LoadedVersion
from domain.errors import NotFoundError
from domain.journey import machine
from domain.journey.position import stored_at_start
from domain.journey.records import anonymous_place, seed_of, user_of
from domain.journey.recovery import Lost, recover
from domain.journey.state import JourneyState
from runtime import metrics
from runtime.tasks import cancel_and_wait
from runtime.temporal import CALL_TIMEOUT
from runtime.tracing import child_span, headers_here
from store import journeys, outbox
from store.database import Connection, Database, describe_error
from store.outbox import OutboxRow
from store.trace_context import KEY, context_of
from workflows import options, search_attributes
from workflows.campaign import CampaignWorkflow
from workflows.journey import JourneyInput, JourneyWorkflow

log = structlog.get_logger()

BATCH = 100
CONCURRENT_CALLS = 20
# Of what is done to many, no more is taken than is called for at once: what a single event causes meanwhile waits for
# about one call.
BATCH_OF_MANY = CONCURRENT_CALLS
# Without a notification the outbox is looked at this often, in seconds: one may be lost with its connection.
LOOK_INTERVAL = 5.0
LONGEST_PAUSE = 5.0
LONGEST_POSTPONEMENT = 3_600.0

# Temporal is away or busy: nothing is wrong with the row.
TRANSIENT = {
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.RESOURCE_EXHAUSTED,
    RPCStatusCode.CANCELLED,
    RPCStatusCode.ABORTED,
    RPCStatusCode.INTERNAL,
    RPCStatusCode.UNKNOWN,
}


class TemporalAwayError(Exception):
    """Temporal took none of the rows; they stay as they are."""


class Relay:
    """One a worker process; any number of them share the outbox.

    `is_eager` lets the worker of this process have the first task of what is started here. The server then does not
    look whether its build is current, so a worker of a build must not ask for it.
    """

    def __init__(
        self, database: Database, catalogue: Catalogue, client: Client, task_queue: str, *, is_eager: bool = True
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._client = client
        self._task_queue = task_queue
        self._is_eager = is_eager
        self._calls = asyncio.Semaphore(CONCURRENT_CALLS)
        # Workflows whose start was in hand when a transaction was lost: somebody else may have had the row since.
        self._unsure: set[str] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Until stopped. Outlives an absence of Temporal or of the database."""
        pause = 0.0
        wake = asyncio.Event()
        listener = asyncio.create_task(self._listen(wake))
        try:
            while not stop.is_set():
                wake.clear()
                try:
                    looked_at = monotonic()
                    is_idle = await self.deliver_due() == 0
                    pause = 0.0
                    if not is_idle:
                        continue
                    async with self._database.transaction() as connection:
                        due = await outbox.next_due(connection, monotonic() - looked_at)
                    await _first(LOOK_INTERVAL if due is None else min(due, LOOK_INTERVAL), stop, wake)
                except (TemporalAwayError, psycopg.OperationalError) as error:
                    pause = min(LONGEST_PAUSE, max(0.1, pause * 2))
                    log.warning("relay waits", error=_describe_away(error), seconds=pause)
                    await _first(pause, stop)
        finally:
            await cancel_and_wait(listener)

    async def deliver_due(self) -> int:
        """Take one batch of due rows to Temporal; how many it was.

        Raises TemporalAwayError when Temporal did not answer for any of them. Where it did for some, the others wait a
        little: a part of it may be away, and must not keep back what is none of that part's.
        """
        async with self._database.transaction() as connection:
            unsure = await self._take_back(connection) if self._unsure else set()
            rows = await outbox.take(connection, BATCH, BATCH_OF_MANY)
            self._unsure = unsure | {row.workflow_id for row in rows if row.kind == "start"}
            versions = await self._versions(connection, rows)
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

    async def _take_back(self, connection: Connection) -> set[str]:
        """End the workflows of journeys that were ended, and their starts removed, while a start was in hand.

        A process that was stopped for a while, or cut off, may tell Temporal of a start after that. Returns those for
        which Temporal did not answer.
        """
        unanswered = set()
        for workflow_id, by in await journeys.find_exited(connection, self._unsure):
            try:
                await self._client.get_workflow_handle(workflow_id).signal(
                    "exit", by, rpc_timeout=timedelta(seconds=CALL_TIMEOUT)
                )
            except RPCError as error:
                if error.status in TRANSIENT:
                    unanswered.add(workflow_id)
                elif not is_without_workflow(error):
                    log.exception("a start cannot be taken back", workflow_id=workflow_id)
        return unanswered

    async def _versions(
        self, connection: Connection, rows: Sequence[OutboxRow]
    ) -> dict[tuple[str, int], LoadedVersion]:
        """The versions of the starts. One that this release cannot read is left out, and its rows are postponed."""
        versions: dict[tuple[str, int], LoadedVersion] = {}
        for row in rows:
            if row.kind == "start":
                key, number = row.payload["campaign"], row.payload["version"]
                try:
                    versions[key, number] = await self._catalogue.version(connection, key, number)
                except (NotFoundError, ValidationError):
                    log.exception("a version cannot be had", campaign=key, version=number)
        return versions

    async def _deliver(self, row: OutboxRow, versions: dict[tuple[str, int], LoadedVersion]) -> "_Failure | None":
        async with self._calls:
            try:
                with _span(row):
                    await self._tell(row, versions)
            except Exception as error:
                if isinstance(error, RPCError) and error.status in TRANSIENT:
                    return _Failure(
                        row.id, _backoff(row.attempts, 0.1, LONGEST_PAUSE), _describe_error(error), is_away=True
                    )
                # Whatever is wrong with one row, the others must not suffer from it.
                log.exception("a row cannot be told", workflow_id=row.workflow_id, kind=row.kind)
                return _Failure(row.id, _backoff(row.attempts, 1.0, LONGEST_POSTPONEMENT), _describe_error(error))
        return None

    async def _tell(self, row: OutboxRow, versions: dict[tuple[str, int], LoadedVersion]) -> None:
        if row.kind == "start":
            await self._start(row, versions[row.payload["campaign"], row.payload["version"]])
            return
        if row.kind == "campaign":
            await self._wake_campaign(row)
            return
        try:
            await self._signal(row)
        except RPCError as error:
            if not is_without_workflow(error):
                raise
            # Its start was accepted before, since no row of the workflow is older, so it has run its course since.

    async def _start(self, row: OutboxRow, version: LoadedVersion) -> None:
        # What is caught up on goes after what has just come, in Temporal as well.
        goes_after = row.bulk or row.is_late
        user = user_of(row.workflow_id, version.key)
        going_on, moves = _recover(row, version)
        begun = going_on or machine.begin(version.plan, row.created_at)
        stored = replace(stored_at_start(version.plan, begun), move=moves)
        step, state = shown = machine.status(version.plan, begun)
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
                    plan=version.plan,
                    version=version.version,
                    status=shown,
                    stored_position=stored,
                    state=going_on,
                    shows_end=True,
                ),
                id=row.workflow_id,
                task_queue=self._task_queue,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                search_attributes=attributes,
                static_summary=f"{version.key}, user {user}",
                priority=options.journey_priority(version.key, goes_after=goes_after),
                # The worker that runs the relay may take the first task with the answer; not where a signal follows,
                # nor where others have to go first.
                request_eager_start=self._is_eager and row.is_alone and not goes_after,
                rpc_timeout=timedelta(seconds=CALL_TIMEOUT),
            )
        except WorkflowAlreadyStartedError:
            return

    async def _wake_campaign(self, row: OutboxRow) -> None:
        """Have the campaign's workflow look what is due; it is started where none is under way."""
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

    async def _signal(self, row: OutboxRow) -> None:
        """The row's own request id: a row told twice is one signal. The SDK's call would make up an id each time."""
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
        """Wake the loop whenever a transaction that appended to the outbox commits."""
        while True:
            try:
                connection = await psycopg.AsyncConnection.connect(self._database.url, autocommit=True)
                async with connection:
                    await connection.execute(f"LISTEN {outbox.CHANNEL}")
                    wake.set()
                    async for _ in connection.notifies():
                        wake.set()
            except psycopg.OperationalError as error:
                log.warning("relay cannot listen", error=describe_error(error))
                await asyncio.sleep(1)


def _recover(row: OutboxRow, version: LoadedVersion) -> tuple[JourneyState | None, int]:
    """Where a journey goes on whose workflow was lost, and the last move of its row; (None, 0) of one that begins."""
    if (known := row.payload.get("lost")) is None:
        return None, 0
    lost = convert(known, Lost)
    return recover(version.plan, lost, row.created_at, seed_of(row.workflow_id, version.key)), lost.moves


class _Failure(Struct, frozen=True):
    """Why a row could not be told, and in how many seconds it is tried again. `is_away`: it is not the row's fault."""

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
    """Of the trace in which the row was written. A campaign's workflow goes on for years, and is of none."""
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
    """The name of the signal that a row is, and its arguments."""
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
    """Doubled with each attempt; the exponent is bounded, since a row may be tried for years."""
    return min(longest, first * 2.0 ** min(attempts, 20))


def _describe_away(error: TemporalAwayError | psycopg.OperationalError) -> str:
    return describe_error(error) if isinstance(error, psycopg.OperationalError) else str(error)


def _describe_error(error: Exception) -> str:
    return f"{error.status.name}: {error.message}" if isinstance(error, RPCError) else type(error).__name__


def is_without_workflow(error: RPCError) -> bool:
    """Whether the workflow is what was not found. A namespace that is missing is another matter: it will be made."""
    if error.status != RPCStatusCode.NOT_FOUND:
        return False
    return not any(detail.Is(NamespaceNotFoundFailure.DESCRIPTOR) for detail in error.grpc_status.details)


async def _first(seconds: float, *events: asyncio.Event) -> None:
    """Wait until one of the events is set, at most so many seconds."""
    tasks = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
