"""Workflows that begin at a deployment's time that is ahead (store/clock.py).

Temporal has a clock for each workflow. A workflow with a start delay as long as the lead, that skips just this delay,
begins at once and at the deployment's time. Its timers continue from there.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

from temporalio.api.common.v1 import FastForwardConfig, TimeSkippingConfig
from temporalio.client import Client, Interceptor, OutboundInterceptor, StartWorkflowInput, WorkflowHandle

Ahead = Callable[[], Awaitable[timedelta]]


def with_deployment_time(client: Client, ahead: Ahead) -> Client:
    """Return a client whose workflows begin later by `ahead`."""
    config = client.config()
    config["interceptors"] = [*config["interceptors"], _StartInterceptor(ahead)]
    return Client(**config)


def skip(by: timedelta) -> TimeSkippingConfig:
    """Return the configuration by which a workflow skips this time, once."""
    fast_forward = FastForwardConfig(id=str(uuid4()))
    fast_forward.duration.FromTimedelta(by)
    return TimeSkippingConfig(enabled=True, fast_forward_config=fast_forward)


class _StartInterceptor(Interceptor):
    def __init__(self, ahead: Ahead) -> None:
        self._ahead = ahead

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _Starts(next, self._ahead)


class _Starts(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, ahead: Ahead) -> None:
        super().__init__(next)
        self._ahead = ahead

    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
        if by := await self._ahead():
            input.start_delay, input.time_skipping_config = by, skip(by)
            # The first task is not ready when the server answers.
            input.request_eager_start = False
        return await super().start_workflow(input)
