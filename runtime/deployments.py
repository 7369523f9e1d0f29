"""The current build of the workers: https://docs.temporal.io/worker-versioning.

All workers of one task queue and of its channels are one Temporal worker deployment, named after the queue; each build
of them is a version of it. One version is current and gets every task. A journey moves to it with its next task
(auto-upgrade), whatever build started it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from temporalio.api.deployment.v1 import WorkerDeploymentInfo
from temporalio.api.deployment.v1 import WorkerDeploymentVersion as VersionMessage
from temporalio.api.enums.v1 import RoutingConfigUpdateState, TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeTaskQueueResponse,
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
from runtime.temporal import CALL_TIMEOUT, TRANSIENT

TIMEOUT = timedelta(seconds=CALL_TIMEOUT)
POLL_SECONDS = 0.2
# A worker polls again after 60 s at the latest.
MAX_SILENCE = timedelta(seconds=75)
IN_PROGRESS = RoutingConfigUpdateState.ROUTING_CONFIG_UPDATE_STATE_IN_PROGRESS
# The server's answers for a build that is unknown, or lacks queues of the previous one.
NOT_YET = {RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION}
Reply = TypeVar("Reply")


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
    hence the wait. Each call may be repeated, and is while the server is busy.

    Raises UnavailableError if that takes too long, or if Temporal does not answer.
    """
    deadline = asyncio.get_running_loop().time() + within.total_seconds()
    try:
        return await _Promotion(client, task_queue, build_id, deadline).run()
    except RPCError as error:
        raise UnavailableError(f"Temporal does not answer: {error.message}") from error


@dataclass(frozen=True, slots=True)
class _Promotion:
    """One build on its way to be current.

    `deadline` is by the clock of the event loop, in seconds.
    """

    client: Client
    task_queue: str
    build_id: str
    deadline: float

    async def run(self) -> Current:
        while missing := await self._find_missing():
            await self._wait(f"build {self.build_id} was not made current: {missing}")
        # Asked before: a call may take effect though its answer is an error, and a repeated one would name this build.
        before = (await self._describe_deployment()).routing_config.current_deployment_version.build_id
        await self._set_current()
        if (await self._describe_deployment()).routing_config.ramping_version_percentage:
            await self._end_ramp()
        while not await self._is_known_to_queues():
            await self._wait(f"build {self.build_id} is current, but not all queues know yet")
        return Current(self.build_id, before or None)

    async def _set_current(self) -> None:
        request = SetWorkerDeploymentCurrentVersionRequest(
            namespace=self.client.namespace,
            deployment_name=self.task_queue,
            build_id=self.build_id,
            identity=self.client.identity,
        )
        while True:
            try:
                await self._call(self.client.workflow_service.set_worker_deployment_current_version, request)
                return
            except RPCError as error:
                if error.status not in NOT_YET:
                    raise
                await self._wait(f"build {self.build_id} was not made current: {error.message}")

    async def _is_known_to_queues(self) -> bool:
        """Return whether the deployment or each queue says that the build is current.

        The deployment (server 1.32.0) may say that it is still in progress long after every queue knows.
        """
        if (await self._describe_deployment()).routing_config_update_state != IN_PROGRESS:
            return True
        for name, kind in await self._list_queues():
            routing = (await self._describe_queue(name, kind)).versioning_info
            if routing.current_deployment_version.build_id != self.build_id or routing.ramping_version_percentage:
                return False
        return True

    async def _find_missing(self) -> str | None:
        """Return why the build cannot run journeys now; None if it can."""
        try:
            queues = await self._list_queues()
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            return f"no worker of it has ever asked for the tasks of {self.task_queue}"
        if (self.task_queue, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW) not in queues:
            return f"no worker of it has asked for the journeys of {self.task_queue}"
        return await self._find_silent(queues)

    async def _list_queues(self) -> list[tuple[str, TaskQueueType.ValueType]]:
        """Return the queues whose tasks workers of the build have asked for."""
        request = DescribeWorkerDeploymentVersionRequest(
            namespace=self.client.namespace,
            deployment_version=VersionMessage(deployment_name=self.task_queue, build_id=self.build_id),
        )
        version = await self._call(self.client.workflow_service.describe_worker_deployment_version, request)
        return [(queue.name, queue.type) for queue in version.version_task_queues]

    async def _find_silent(self, queues: Sequence[tuple[str, TaskQueueType.ValueType]]) -> str | None:
        since = datetime.now(UTC) - MAX_SILENCE
        for name, kind in queues:
            if not any(
                poller.deployment_options.build_id == self.build_id
                and poller.last_access_time.ToDatetime(tzinfo=UTC) > since
                for poller in (await self._describe_queue(name, kind)).pollers
            ):
                return f"no worker of it asks for the tasks of {name}"
        return None

    async def _end_ramp(self) -> None:
        """End another build's share; an empty id stands for no build."""
        request = SetWorkerDeploymentRampingVersionRequest(
            namespace=self.client.namespace,
            deployment_name=self.task_queue,
            build_id="",
            percentage=0,
            identity=self.client.identity,
        )
        await self._call(self.client.workflow_service.set_worker_deployment_ramping_version, request)

    async def _describe_queue(self, name: str, kind: TaskQueueType.ValueType) -> DescribeTaskQueueResponse:
        request = DescribeTaskQueueRequest(
            namespace=self.client.namespace, task_queue=TaskQueue(name=name), task_queue_type=kind
        )
        return await self._call(self.client.workflow_service.describe_task_queue, request)

    async def _describe_deployment(self) -> WorkerDeploymentInfo:
        request = DescribeWorkerDeploymentRequest(namespace=self.client.namespace, deployment_name=self.task_queue)
        answer = await self._call(self.client.workflow_service.describe_worker_deployment, request)
        return answer.worker_deployment_info

    async def _call(self, method: Callable[..., Awaitable[Reply]], request: Any) -> Reply:
        while True:
            try:
                return await method(request, timeout=TIMEOUT)
            except RPCError as error:
                if error.status not in TRANSIENT:
                    raise
                await self._wait(f"Temporal does not answer: {error.message}")

    async def _wait(self, otherwise: str) -> None:
        if asyncio.get_running_loop().time() > self.deadline:
            raise UnavailableError(otherwise)
        await asyncio.sleep(POLL_SECONDS)
