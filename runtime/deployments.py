"""The current build of the workers: https://docs.temporal.io/worker-versioning.

All workers of one task queue and of its channels are one Temporal worker deployment, named after the queue; each build
of them is a version of it. One version is current and gets every task. A journey moves to it with its next task
(auto-upgrade), whatever build started it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from temporalio.api.deployment.v1 import WorkerDeploymentInfo
from temporalio.api.deployment.v1 import WorkerDeploymentVersion as VersionMessage
from temporalio.api.enums.v1 import RoutingConfigUpdateState, TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeWorkerDeploymentRequest,
    DescribeWorkerDeploymentVersionRequest,
    SetWorkerDeploymentCurrentVersionRequest,
    SetWorkerDeploymentRampingVersionRequest,
)
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import WorkerDeploymentConfig

from domain.errors import UnavailableError
from runtime.temporal import CALL_TIMEOUT

TIMEOUT = timedelta(seconds=CALL_TIMEOUT)
POLL_SECONDS = 0.2
# A worker polls again after 60 s at the latest.
MAX_SILENCE = timedelta(seconds=75)
IN_PROGRESS = RoutingConfigUpdateState.ROUTING_CONFIG_UPDATE_STATE_IN_PROGRESS
# The server's answers for a build that is unknown, or lacks queues of the previous one.
NOT_YET = {RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION}


@dataclass(frozen=True, slots=True)
class Current:
    """The current build and the previous one; None for workers without a build."""

    build_id: str | None
    before: str | None


def deployment_config(task_queue: str, build_id: str) -> WorkerDeploymentConfig:
    """Return the configuration of a worker of a build: no tasks until it is current."""
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(deployment_name=task_queue, build_id=build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
    )


async def promote(client: Client, task_queue: str, build_id: str, within: timedelta) -> Current:
    """Make a build current once its workers poll, and wait until all queues know.

    The share of any other build ends. The server would also route to a build without workers, and nothing would move,
    hence the wait.

    Raises UnavailableError if that takes too long, or if Temporal does not answer.
    """
    try:
        return await _promote(client, task_queue, build_id, within)
    except RPCError as error:
        raise UnavailableError(f"Temporal does not answer: {error.message}") from error


async def _promote(client: Client, task_queue: str, build_id: str, within: timedelta) -> Current:
    deadline = asyncio.get_running_loop().time() + within.total_seconds()
    while missing := await _find_missing(client, task_queue, build_id):
        await _wait(deadline, f"build {build_id} was not made current: {missing}")
    # Asked before: a call may take effect though its answer is an error, and the repeated one would name this build.
    before = (await _describe_deployment(client, task_queue)).routing_config.current_deployment_version.build_id
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace, deployment_name=task_queue, build_id=build_id, identity=client.identity
    )
    while True:
        try:
            await client.workflow_service.set_worker_deployment_current_version(request, timeout=TIMEOUT)
            break
        except RPCError as error:
            if error.status not in NOT_YET:
                raise
            await _wait(deadline, f"build {build_id} was not made current: {error.message}")
    if (await _describe_deployment(client, task_queue)).routing_config.ramping_version_percentage:
        await _end_ramp(client, task_queue)
    while not await _is_known_to_queues(client, task_queue, build_id):
        await _wait(deadline, f"build {build_id} is current, but not all queues know yet")
    return Current(build_id, before or None)


async def _is_known_to_queues(client: Client, task_queue: str, build_id: str) -> bool:
    """Return whether the deployment or each queue says that the build is current.

    The deployment (server 1.32.0) may say that it is still in progress long after every queue knows.
    """
    if (await _describe_deployment(client, task_queue)).routing_config_update_state != IN_PROGRESS:
        return True
    for name, kind in await _list_queues(client, task_queue, build_id):
        request = DescribeTaskQueueRequest(
            namespace=client.namespace, task_queue=TaskQueue(name=name), task_queue_type=kind
        )
        routing = (await client.workflow_service.describe_task_queue(request, timeout=TIMEOUT)).versioning_info
        if routing.current_deployment_version.build_id != build_id or routing.ramping_version_percentage:
            return False
    return True


async def _wait(deadline: float, otherwise: str) -> None:
    if asyncio.get_running_loop().time() > deadline:
        raise UnavailableError(otherwise)
    await asyncio.sleep(POLL_SECONDS)


async def _find_missing(client: Client, task_queue: str, build_id: str) -> str | None:
    """Return why the build cannot run journeys now; None if it can."""
    try:
        queues = await _list_queues(client, task_queue, build_id)
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        return f"no worker of it has ever asked for the tasks of {task_queue}"
    if (task_queue, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW) not in queues:
        return f"no worker of it has asked for the journeys of {task_queue}"
    return await _find_silent(client, build_id, queues)


async def _list_queues(client: Client, task_queue: str, build_id: str) -> list[tuple[str, TaskQueueType.ValueType]]:
    """Return the queues whose tasks workers of a build have asked for."""
    request = DescribeWorkerDeploymentVersionRequest(
        namespace=client.namespace,
        deployment_version=VersionMessage(deployment_name=task_queue, build_id=build_id),
    )
    version = await client.workflow_service.describe_worker_deployment_version(request, timeout=TIMEOUT)
    return [(queue.name, queue.type) for queue in version.version_task_queues]


async def _find_silent(
    client: Client, build_id: str, queues: Sequence[tuple[str, TaskQueueType.ValueType]]
) -> str | None:
    since = datetime.now(UTC) - MAX_SILENCE
    for name, kind in queues:
        request = DescribeTaskQueueRequest(
            namespace=client.namespace, task_queue=TaskQueue(name=name), task_queue_type=kind
        )
        answer = await client.workflow_service.describe_task_queue(request, timeout=TIMEOUT)
        if not any(
            poller.deployment_options.build_id == build_id and poller.last_access_time.ToDatetime(tzinfo=UTC) > since
            for poller in answer.pollers
        ):
            return f"no worker of it asks for the tasks of {name}"
    return None


async def _end_ramp(client: Client, task_queue: str) -> None:
    """End another build's share; an empty id stands for no build."""
    request = SetWorkerDeploymentRampingVersionRequest(
        namespace=client.namespace, deployment_name=task_queue, build_id="", percentage=0, identity=client.identity
    )
    await client.workflow_service.set_worker_deployment_ramping_version(request, timeout=TIMEOUT)


async def _describe_deployment(client: Client, task_queue: str) -> WorkerDeploymentInfo:
    request = DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=task_queue)
    answer = await client.workflow_service.describe_worker_deployment(request, timeout=TIMEOUT)
    return answer.worker_deployment_info
