"""The journey workflows of one deployment, to compare with the database."""

import asyncio
import re
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime, timedelta

from temporalio.api.common.v1 import WorkflowExecution as WorkflowExecutionId
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest, GetWorkflowExecutionHistoryRequest
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from domain.journey.reconciliation import Execution, WorkflowState
from runtime.temporal import CALL_TIMEOUT
from workflows.search_attributes import CAMPAIGN_VERSION, JOURNEY_STATE, JOURNEY_STEP

TIMEOUT = timedelta(seconds=CALL_TIMEOUT)
CONCURRENT_CALLS = 20
# Workflow ids in one query of the index, and workflows in a page of its answer.
QUERIED, PAGE = 50, 500
# Characters allowed in a query's quotes. Ids contain clients' user ids.
_PLAIN = re.compile(r"[A-Za-z0-9 _.:@/+=,;|~-]+")


_EXECUTIONS: dict[WorkflowExecutionStatus, Execution] = {
    WorkflowExecutionStatus.RUNNING: "running",
    WorkflowExecutionStatus.COMPLETED: "completed",
    WorkflowExecutionStatus.FAILED: "failed",
    WorkflowExecutionStatus.CANCELED: "canceled",
    WorkflowExecutionStatus.TERMINATED: "terminated",
    WorkflowExecutionStatus.TIMED_OUT: "timed_out",
    # Seen between two runs: the next one is about to be found.
    WorkflowExecutionStatus.CONTINUED_AS_NEW: "running",
}


class JourneyWorkflows:
    """The workflows of one deployment, identified by its task queue."""

    def __init__(self, client: Client, task_queue: str) -> None:
        self._client = client
        self._of_any_type = f"ExecutionStatus = 'Running' AND TaskQueue = '{task_queue}'"
        self._running = f"WorkflowType = 'Journey' AND {self._of_any_type}"
        self._calls = asyncio.Semaphore(CONCURRENT_CALLS)

    async def find_running(self, ids: Collection[str]) -> set[str]:
        """Return which of these run, by the index, apart from ids that no query can hold."""
        plain = [id for id in ids if _PLAIN.fullmatch(id)]
        found = set()
        for first in range(0, len(plain), QUERIED):
            listed = ", ".join(f"'{id}'" for id in plain[first : first + QUERIED])
            async for one in self._client.list_workflows(f"{self._of_any_type} AND WorkflowId IN ({listed})"):
                found.add(one.id)
        return found

    async def list_running(self, before: datetime) -> AsyncIterator[dict[str, WorkflowState]]:
        """Iterate in pages over running workflows started before an instant."""
        pages = self._client.list_workflows(f"{self._running} AND StartTime < '{before.isoformat()}'", page_size=PAGE)
        while True:
            await pages.fetch_next_page()
            if page := pages.current_page:
                yield {one.id: _to_state(one, "running") for one in page}
            if not pages.next_page_token:
                return

    async def describe(self, id: str) -> WorkflowState | None:
        """Describe one workflow by itself, not by the index; None if there is none."""
        async with self._calls:
            try:
                found = await self._client.get_workflow_handle(id).describe(rpc_timeout=TIMEOUT)
            except RPCError as error:
                if error.status != RPCStatusCode.NOT_FOUND:
                    raise
                return None
            status = WorkflowExecutionStatus.RUNNING if found.status is None else found.status
            if status != WorkflowExecutionStatus.COMPLETED:
                raw = found.raw_description
                is_busy = bool(raw.pending_activities) or raw.HasField("pending_workflow_task")
                return _to_state(found, _EXECUTIONS[status], is_busy=is_busy)
            handle = self._client.get_workflow_handle(id, run_id=found.run_id, result_type=str)
            return WorkflowState("completed", await handle.result(rpc_timeout=TIMEOUT))

    async def delete(self, workflow_ids: Sequence[str]) -> int:
        """Request the deletion of all runs of these workflows, and of their index entries.

        A running one is terminated by it. Temporal deletes a little later, so that a repetition finds out whether it
        has. Returns the number of workflows that there still were, or else of the runs that the index still shows.
        """
        left = sum(await asyncio.gather(*(self._delete(id) for id in workflow_ids)))
        return left or await self._count_indexed(workflow_ids)

    async def _count_indexed(self, ids: Collection[str]) -> int:
        """Count runs by the index, apart from ids that no query can hold."""
        plain = [id for id in ids if _PLAIN.fullmatch(id)]
        number = 0
        for first in range(0, len(plain), QUERIED):
            listed = ", ".join(f"'{id}'" for id in plain[first : first + QUERIED])
            number += (await self._client.count_workflows(f"WorkflowId IN ({listed})")).count
        return number

    async def _delete(self, id: str) -> bool:
        """Delete the runs of a workflow; the last one, which leads to the others, last."""
        async with self._calls:
            try:
                found = await self._client.get_workflow_handle(id).describe(rpc_timeout=TIMEOUT)
                runs = [found.run_id]
                while (before := await self._continued_from(id, runs[-1])) is not None:
                    runs.append(before)
            except RPCError as error:
                if error.status != RPCStatusCode.NOT_FOUND:
                    raise
                return False
            for run in reversed(runs):
                await self._delete_run(WorkflowExecutionId(workflow_id=id, run_id=run))
            return True

    async def _continued_from(self, id: str, run_id: str) -> str | None:
        """Return the run before, if its history is still there."""
        request = GetWorkflowExecutionHistoryRequest(
            namespace=self._client.namespace,
            execution=WorkflowExecutionId(workflow_id=id, run_id=run_id),
            maximum_page_size=1,
        )
        try:
            answer = await self._client.workflow_service.get_workflow_execution_history(
                request, retry=True, timeout=TIMEOUT
            )
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            return None
        started = answer.history.events[0].workflow_execution_started_event_attributes
        return started.continued_execution_run_id or None

    async def _delete_run(self, execution: WorkflowExecutionId) -> None:
        request = DeleteWorkflowExecutionRequest(namespace=self._client.namespace, workflow_execution=execution)
        try:
            await self._client.workflow_service.delete_workflow_execution(request, retry=True, timeout=TIMEOUT)
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise

    async def count(self, campaign_key: str) -> int:
        """Count a campaign's running workflows by the index."""
        counted = await self._client.count_workflows(f"{self._running} AND Campaign = '{campaign_key}'")
        return counted.count


def _to_state(found: WorkflowExecution, execution: Execution, *, is_busy: bool = False) -> WorkflowState:
    attributes = found.typed_search_attributes
    return WorkflowState(
        execution,
        step=attributes.get(JOURNEY_STEP),
        status=attributes.get(JOURNEY_STATE),
        version=attributes.get(CAMPAIGN_VERSION),
        is_busy=is_busy,
    )
