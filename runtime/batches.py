"""Temporal's batch operations on journeys: https://docs.temporal.io/cli/batch."""

from collections.abc import Sequence
from datetime import timedelta

from temporalio.api.batch.v1 import BatchOperationSignal
from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import BatchOperationState
from temporalio.api.workflowservice.v1 import (
    CountWorkflowExecutionsRequest,
    DescribeBatchOperationRequest,
    StartBatchOperationRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from runtime.temporal import CALL_TIMEOUT

REASON = "the campaign was stopped"
TIMEOUT = timedelta(seconds=CALL_TIMEOUT)


class JourneyBatches:
    """The journeys of one deployment, identified by its task queue."""

    def __init__(self, client: Client, task_queue: str) -> None:
        self._client = client
        self._task_queue = task_queue

    async def exit_all(self, job: str, campaign_key: str, versions: Sequence[int]) -> bool:
        """Signal `exit` to all running journeys of these versions; return if it is done.

        The job's name makes repeated calls one batch. Raises RPCError if Temporal does not answer.
        """
        try:
            answer = await self._client.workflow_service.describe_batch_operation(
                DescribeBatchOperationRequest(namespace=self._client.namespace, job_id=job), timeout=TIMEOUT
            )
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            await self._start(job, campaign_key, versions)
            return False
        return answer.state != BatchOperationState.BATCH_OPERATION_STATE_RUNNING

    async def count(self, campaign_key: str, versions: Sequence[int]) -> int:
        """Count the running journeys of these versions in Temporal's index."""
        answer = await self._client.workflow_service.count_workflow_executions(
            CountWorkflowExecutionsRequest(namespace=self._client.namespace, query=self._query(campaign_key, versions)),
            timeout=TIMEOUT,
        )
        return answer.count

    async def _start(self, job: str, campaign_key: str, versions: Sequence[int]) -> None:
        """Start the batch, unless the namespace is full; then a later call starts it."""
        request = StartBatchOperationRequest(
            namespace=self._client.namespace,
            visibility_query=self._query(campaign_key, versions),
            job_id=job,
            reason=REASON,
            signal_operation=BatchOperationSignal(
                signal="exit",
                input=Payloads(payloads=await self._client.data_converter.encode([REASON, list(versions)])),
                identity=self._client.identity,
            ),
        )
        try:
            await self._client.workflow_service.start_batch_operation(request, timeout=TIMEOUT)
        except RPCError as error:
            if error.status not in (RPCStatusCode.RESOURCE_EXHAUSTED, RPCStatusCode.ALREADY_EXISTS):
                raise

    def _query(self, campaign_key: str, versions: Sequence[int]) -> str:
        """Build the query; a campaign's key is a slug, so it needs no escaping."""
        numbers = ", ".join(str(version) for version in versions)
        return (
            f"WorkflowType = 'Journey' AND ExecutionStatus = 'Running' AND TaskQueue = '{self._task_queue}' "
            f"AND Campaign = '{campaign_key}' AND CampaignVersion IN ({numbers})"
        )
