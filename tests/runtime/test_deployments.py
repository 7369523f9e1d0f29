"""Builds of the workers, in processes of their own: who has the journeys, and what becomes of those under way."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType, RoutingConfigUpdateState
from temporalio.api.workflowservice.v1 import (
    DescribeWorkerDeploymentRequest,
    SetWorkerDeploymentRampingVersionRequest,
)
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from domain.errors import UnavailableError
from runtime import deployments
from runtime.deployments import Current
from settings import Settings
from tests.engine.campaigns import CART
from tests.harness import Harness, open_harness
from tests.processes import sojourn, worker_process
from tests.servers import TemporalServer


@pytest.fixture
async def harness(database_url: str, temporal: TemporalServer) -> AsyncIterator[Harness]:
    async with open_harness(database_url, temporal, is_working=False) as opened:
        yield opened


def of_build(harness: Harness, build_id: str | None) -> Settings:
    return harness.settings.model_copy(update={"build_id": build_id})


async def promoted(harness: Harness, build_id: str) -> str:
    """What `sojourn promote` prints."""
    status, output = await sojourn(harness.settings, "promote", build_id)
    assert status == 0, output
    return output.strip()


async def shop(harness: Harness, user: str) -> WorkflowHandle[Any, Any]:
    await harness.identify(user, email=f"{user}@example.com")
    await harness.track(user, "Cart Abandoned", {"value": 120, "cart_id": "c1"})
    return await harness.journey(user)


async def builds(handle: WorkflowHandle[Any, Any]) -> list[str]:
    """Which build did each of the journey's own tasks; `` for a worker without one."""
    return [
        event.workflow_task_completed_event_attributes.deployment_version.build_id
        for event in (await handle.fetch_history()).events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    ]


@pytest.mark.takes_long
async def test_journeys_go_over_to_a_new_build_whatever_becomes_of_the_old_one(harness: Harness) -> None:
    async with worker_process(of_build(harness, "1")) as first:
        await harness.run_campaign(CART)
        resting, retried = await shop(harness, "rests"), await shop(harness, "is-retried")
        # The relay started them, and its own worker does not touch them.
        assert await builds(resting) == await builds(retried) == []
        assert await promoted(harness, "1") == "Build 1 has the journeys; before, workers without a build."
        await harness.rests(resting, "cool-off")
        harness.inbox.greylist.add("is-retried@example.com")
        await harness.skip(retried, minutes=30)
        await harness.until_put_off()
        first.kill()
    async with worker_process(of_build(harness, "2")):
        assert await promoted(harness, "2") == "Build 2 has the journeys; before, build 1."
        harness.inbox.greylist.clear()
        assert await retried.result() == "completed"
        back = await shop(harness, "comes-later")
        await harness.rests(back, "cool-off")
        # What was not sent while build 1 was killed goes with build 2, once.
        assert [mail.recipients for mail in harness.inbox.messages] == [("is-retried@example.com",)]
        async with worker_process(of_build(harness, "1")):
            assert await promoted(harness, "1") == "Build 1 has the journeys; before, build 2."
            await harness.skip(back, minutes=30)
            assert await back.result() == "completed"
            await harness.skip(resting, minutes=30)
            assert await resting.result() == "completed"
    assert set(await builds(retried)) == {"1", "2"}
    assert list(dict.fromkeys(await builds(back))) == ["2", "1"]
    assert len(harness.inbox.messages) == 3


async def test_journeys_of_workers_without_a_build_go_over_to_the_first(harness: Harness) -> None:
    async with worker_process(of_build(harness, None)):
        await harness.run_campaign(CART)
        journey = await shop(harness, "u1")
        await harness.rests(journey, "cool-off")
    async with worker_process(of_build(harness, "1")):
        await promoted(harness, "1")
        await harness.skip(journey, minutes=30)
        assert await journey.result() == "completed"
    assert list(dict.fromkeys(await builds(journey))) == ["", "1"]


async def test_a_promoted_build_shares_the_journeys_with_no_other(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = harness.settings.task_queue
    # A deployment that says it is in progress long after its queues know.
    monkeypatch.setattr(deployments, "IN_PROGRESS", RoutingConfigUpdateState.ROUTING_CONFIG_UPDATE_STATE_COMPLETED)

    async def routed() -> tuple[str, float]:
        described = await harness.temporal.workflow_service.describe_worker_deployment(
            DescribeWorkerDeploymentRequest(namespace=harness.temporal.namespace, deployment_name=queue)
        )
        routing = described.worker_deployment_info.routing_config
        return routing.current_deployment_version.build_id, routing.ramping_version_percentage

    async with worker_process(of_build(harness, "1")), worker_process(of_build(harness, "2")):
        await promoted(harness, "1")
        await harness.temporal.workflow_service.set_worker_deployment_ramping_version(
            SetWorkerDeploymentRampingVersionRequest(
                namespace=harness.temporal.namespace,
                deployment_name=queue,
                build_id="2",
                percentage=50,
                identity="test",
            )
        )
        assert await routed() == ("1", 50)
        assert await promoted(harness, "1") == "Build 1 has the journeys; before, build 1."
        assert await routed() == ("1", 0)


async def test_what_promote_lacks_is_said(harness: Harness) -> None:
    status, output = await sojourn(harness.settings, "promote")
    assert (status, "name a build, or set SOJOURN_BUILD_ID" in output) == (2, True)
    nowhere = harness.settings.model_copy(update={"temporal_address": "127.0.0.1:1"})
    said = "sojourn: Temporal does not answer at 127.0.0.1:1: the connection is refused\n"
    assert await sojourn(nowhere, "promote", "1") == (3, said)


def answers_late_once(patched: pytest.MonkeyPatch, harness: Harness) -> None:
    """Let the first promotion take effect and fail, as one does when Temporal is busy."""
    service = harness.temporal.workflow_service
    real, failures = service.set_worker_deployment_current_version, iter([True])

    async def answer(*request: Any, **options: Any) -> Any:
        answered = await real(*request, **options)
        if next(failures, False):
            raise RPCError("the routing config is being updated", RPCStatusCode.FAILED_PRECONDITION, b"")
        return answered

    patched.setattr(service, "set_worker_deployment_current_version", answer)


def is_busy_once(patched: pytest.MonkeyPatch, harness: Harness) -> list[str]:
    """Let the first call of each kind run into its timeout; return the kinds."""
    service, busy = harness.temporal.workflow_service, []

    def wrap(name: str) -> None:
        real = getattr(service, name)

        async def answer(*request: Any, **options: Any) -> Any:
            if name not in busy:
                busy.append(name)
                raise RPCError("Timeout expired", RPCStatusCode.CANCELLED, b"")
            return await real(*request, **options)

        patched.setattr(service, name, answer)

    for name in (
        "describe_worker_deployment_version",
        "describe_task_queue",
        "describe_worker_deployment",
        "set_worker_deployment_current_version",
    ):
        wrap(name)
    return busy


async def test_a_busy_server_is_asked_again(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    async with worker_process(of_build(harness, "1")):
        with monkeypatch.context() as patched:
            busy = is_busy_once(patched, harness)
            promoting = deployments.promote(harness.temporal, harness.settings.task_queue, "1", timedelta(seconds=60))
            assert await promoting == Current("1", None)
            assert len(busy) == 4
        is_busy_once(monkeypatch, harness)
        with pytest.raises(UnavailableError, match="Temporal does not answer: Timeout expired"):
            await deployments.promote(harness.temporal, harness.settings.task_queue, "1", timedelta(seconds=-1))


async def test_a_build_without_workers_is_not_promoted(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = harness.settings.task_queue
    status, output = await sojourn(harness.settings, "promote", "nobody", "--within", "0")
    assert (status, output) == (
        3,
        f"sojourn: build nobody was not made current: no worker of it has ever asked for the tasks of {queue}\n",
    )
    async with worker_process(of_build(harness, "1")):
        await promoted(harness, "1")
    async with worker_process(of_build(harness, "2")):
        with monkeypatch.context() as patched:
            answers_late_once(patched, harness)
            # The first call made it current, and only its answer was an error.
            assert await deployments.promote(harness.temporal, queue, "2", timedelta(seconds=30)) == Current("2", "1")
    monkeypatch.setattr(deployments, "MAX_SILENCE", timedelta(0))
    with pytest.raises(UnavailableError, match="build 1 was not made current: no worker of it asks for the tasks of"):
        await deployments.promote(harness.temporal, queue, "1", timedelta(0))
