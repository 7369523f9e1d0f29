"""Updates that take journeys to another version of their campaign."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from temporalio.client import (
    Client,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
    WorkflowUpdateStage,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from application.operations.migrate import Answer
from domain.errors import UnavailableError
from domain.journey.migration import CannotMigrate, Migration
from runtime.relay import TRANSIENT, is_without_workflow
from runtime.temporal import CALL_TIMEOUT
from workflows.journey import JourneyWorkflow

CONCURRENT_CALLS = 50
# How long one waits for journeys that have asked for something, in seconds: most have their answer at once.
PATIENCE = 5
# The server's word for an update whose workflow was over before it was done with.
TOO_LATE = "AcceptedUpdateCompletedWorkflow"


class JourneyMover:
    """One a process."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._calls = asyncio.Semaphore(CONCURRENT_CALLS)

    async def move(self, migrations: Mapping[str, Migration], update: str) -> dict[str, Answer]:
        """Tell them all, and wait a while for what comes of it; by workflow id. Raises UnavailableError."""
        answers = await asyncio.gather(
            *(self._move(workflow_id, migration, update) for workflow_id, migration in migrations.items())
        )
        found = {id: answer for id, answer in zip(migrations, answers, strict=True) if answer is not None}
        if len(found) < len(migrations):
            raise UnavailableError("Temporal does not answer")
        return found

    async def _move(self, workflow_id: str, migration: Migration, update: str) -> Answer | None:
        """None if Temporal, or every worker, is away."""
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
            return None
        except RPCError as error:
            return _unheard(error)
        try:
            return await started.result(rpc_timeout=timedelta(seconds=PATIENCE))
        except WorkflowUpdateRPCTimeoutOrCancelledError:
            return "waiting"
        except WorkflowUpdateFailedError as error:
            return _refused(error)
        except RPCError as error:
            return _unheard(error)


def _unheard(error: RPCError) -> Answer | None:
    if is_without_workflow(error):
        return "gone"
    if error.status in TRANSIENT:
        return None
    raise error


def _refused(error: WorkflowUpdateFailedError) -> Answer:
    if not isinstance(error.cause, ApplicationError) or error.cause.type is None:
        raise error
    if error.cause.type == TOO_LATE:
        return "gone"
    return CannotMigrate(error.cause.type, error.cause.message, *error.cause.details)
