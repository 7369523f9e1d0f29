"""Updates that migrate journeys to another version of their campaign."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from temporalio.client import (
    Client,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
    WorkflowUpdateStage,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from application.operations.migrate import MigrationAnswer
from domain.errors import UnavailableError
from domain.journey.migration import CannotMigrate, Migration
from runtime.temporal import CALL_TIMEOUT, TRANSIENT, is_without_workflow
from workflows.journey import JourneyWorkflow

CONCURRENT_CALLS = 50
# Seconds to wait for the answers of journeys that requested something; most answer at once.
UPDATE_TIMEOUT = 5
# The server's error for an update whose workflow ended before the update did.
TOO_LATE = "AcceptedUpdateCompletedWorkflow"
# A workflow task with this many attempts will fail until the code changes.
STUCK_ATTEMPTS = 3
STUCK = CannotMigrate("workflow_stuck", "its workflow's task fails again and again: the Temporal UI says why")


class JourneyMigrator:
    """One for each process."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._calls = asyncio.Semaphore(CONCURRENT_CALLS)

    async def move(self, migrations: Mapping[str, Migration], update: str) -> dict[str, MigrationAnswer]:
        """Send an update to each workflow; return the answers by workflow id.

        Raises UnavailableError.
        """
        answers = await asyncio.gather(
            *(self._move(workflow_id, migration, update) for workflow_id, migration in migrations.items())
        )
        found = {id: answer for id, answer in zip(migrations, answers, strict=True) if answer is not None}
        if len(found) < len(migrations):
            raise UnavailableError("Temporal does not answer")
        return found

    async def _move(self, workflow_id: str, migration: Migration, update: str) -> MigrationAnswer | None:
        """Migrate one journey; None if Temporal, or every worker, is away."""
        handle = self._client.get_workflow_handle(workflow_id)
        try:
            async with self._calls:
                started = await handle.start_update(
                    JourneyWorkflow.migrate,
                    migration,
                    id=update,
                    wait_for_stage=WorkflowUpdateStage.ACCEPTED,
                    rpc_timeout=timedelta(seconds=CALL_TIMEOUT),
                )
        except WorkflowUpdateRPCTimeoutOrCancelledError:
            return await self._check_unanswered(handle)
        except RPCError as error:
            # The server refuses at once an update that it knows to fail.
            is_failing = error.status == RPCStatusCode.FAILED_PRECONDITION
            return await self._check_unanswered(handle) if is_failing else _read_failure(error)
        try:
            return await started.result(rpc_timeout=timedelta(seconds=UPDATE_TIMEOUT))
        except WorkflowUpdateRPCTimeoutOrCancelledError:
            return "waiting"
        except WorkflowUpdateFailedError as error:
            return _read_refusal(error)
        except RPCError as error:
            return _read_failure(error)

    async def _check_unanswered(self, handle: WorkflowHandle[Any, Any]) -> MigrationAnswer | None:
        """Classify a workflow that accepts no update, so that others need not wait for it."""
        try:
            async with self._calls:
                found = await handle.describe(rpc_timeout=timedelta(seconds=CALL_TIMEOUT))
        except RPCError as error:
            return _read_failure(error)
        return STUCK if found.raw_description.pending_workflow_task.attempt >= STUCK_ATTEMPTS else None


def _read_failure(error: RPCError) -> MigrationAnswer | None:
    if is_without_workflow(error):
        return "gone"
    if error.status in TRANSIENT:
        return None
    raise error


def _read_refusal(error: WorkflowUpdateFailedError) -> MigrationAnswer:
    if not isinstance(error.cause, ApplicationError) or error.cause.type is None:
        raise error
    if error.cause.type == TOO_LATE:
        return "gone"
    return CannotMigrate(error.cause.type, error.cause.message, *error.cause.details)
