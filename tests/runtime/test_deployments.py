"""Builds of the workers, in processes of their own: who has the journeys, and what becomes of those under way."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import (
    DescribeWorkerDeploymentRequest,
    SetWorkerDeploymentRampingVersionRequest,
)
from temporalio.client import WorkflowHandle

from domain.errors import UnavailableError
from runtime import deployments
from runtime.embedded.temporal import EmbeddedTemporal
from settings import Settings
from tests.engine.campaigns import CART
from tests.harness import Rig, open_rig
from tests.processes import sojourn, worker_process


@pytest.fixture
async def rig(database_url: str, temporal: EmbeddedTemporal) -> AsyncIterator[Rig]:
    async with open_rig(database_url, temporal.address, is_working=False) as opened:
        yield opened


def of_build(rig: Rig, build_id: str | None) -> Settings:
    return rig.settings.model_copy(update={"build_id": build_id})


async def promoted(rig: Rig, build_id: str) -> str:
    """What `sojourn promote` prints."""
    status, output = await sojourn(rig.settings, "promote", build_id)
    assert status == 0, output
    return output.strip()


async def shop(rig: Rig, user: str) -> WorkflowHandle[Any, Any]:
    await rig.identify(user, email=f"{user}@example.com")
    await rig.track(user, "Cart Abandoned", {"value": 120, "cart_id": "c1"})
    return await rig.journey(user)


async def builds(handle: WorkflowHandle[Any, Any]) -> list[str]:
    """Which build did each of the journey's own tasks; `` for a worker without one."""
    return [
        event.workflow_task_completed_event_attributes.deployment_version.build_id
        for event in (await handle.fetch_history()).events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    ]


@pytest.mark.takes_long
async def test_journeys_go_over_to_a_new_build_whatever_becomes_of_the_old_one(rig: Rig) -> None:
    async with worker_process(of_build(rig, "1")) as first:
        await rig.run_campaign(CART)
        resting, retried = await shop(rig, "rests"), await shop(rig, "is-retried")
        # The relay started them, and its own worker does not touch them.
        assert await builds(resting) == await builds(retried) == []
        assert await promoted(rig, "1") == "Build 1 has the journeys; before, workers without a build."
        await rig.rests(resting, "cool-off")
        rig.inbox.greylist.add("is-retried@example.com")
        await rig.skip(retried, minutes=30)
        await rig.until("SELECT 1 FROM messages WHERE attempts > 0 AND state = 'reserved'")
        first.kill()
    async with worker_process(of_build(rig, "2")):
        assert await promoted(rig, "2") == "Build 2 has the journeys; before, build 1."
        rig.inbox.greylist.clear()
        assert await retried.result() == "completed"
        back = await shop(rig, "comes-later")
        await rig.rests(back, "cool-off")
        # What was not sent while build 1 was killed goes with build 2, once.
        assert [mail.recipients for mail in rig.inbox.messages] == [("is-retried@example.com",)]
        async with worker_process(of_build(rig, "1")):
            assert await promoted(rig, "1") == "Build 1 has the journeys; before, build 2."
            await rig.skip(back, minutes=30)
            assert await back.result() == "completed"
            await rig.skip(resting, minutes=30)
            assert await resting.result() == "completed"
    assert set(await builds(retried)) == {"1", "2"}
    assert list(dict.fromkeys(await builds(back))) == ["2", "1"]
    assert len(rig.inbox.messages) == 3


async def test_journeys_of_workers_without_a_build_go_over_to_the_first(rig: Rig) -> None:
    async with worker_process(of_build(rig, None)):
        await rig.run_campaign(CART)
        journey = await shop(rig, "u1")
        await rig.rests(journey, "cool-off")
    async with worker_process(of_build(rig, "1")):
        await promoted(rig, "1")
        await rig.skip(journey, minutes=30)
        assert await journey.result() == "completed"
    assert list(dict.fromkeys(await builds(journey))) == ["", "1"]


async def test_a_promoted_build_shares_the_journeys_with_no_other(rig: Rig) -> None:
    queue = rig.settings.task_queue

    async def routed() -> tuple[str, float]:
        described = await rig.temporal.workflow_service.describe_worker_deployment(
            DescribeWorkerDeploymentRequest(namespace="default", deployment_name=queue)
        )
        routing = described.worker_deployment_info.routing_config
        return routing.current_deployment_version.build_id, routing.ramping_version_percentage

    async with worker_process(of_build(rig, "1")), worker_process(of_build(rig, "2")):
        await promoted(rig, "1")
        await rig.temporal.workflow_service.set_worker_deployment_ramping_version(
            SetWorkerDeploymentRampingVersionRequest(
                namespace="default", deployment_name=queue, build_id="2", percentage=50, identity="test"
            )
        )
        assert await routed() == ("1", 50)
        assert await promoted(rig, "1") == "Build 1 has the journeys; before, build 1."
        assert await routed() == ("1", 0)


async def test_what_promote_lacks_is_said(rig: Rig) -> None:
    status, output = await sojourn(rig.settings, "promote")
    assert (status, "name a build, or set SOJOURN_BUILD_ID" in output) == (2, True)
    nowhere = rig.settings.model_copy(update={"temporal_address": "127.0.0.1:1"})
    said = "sojourn: Temporal does not answer at 127.0.0.1:1: the connection is refused\n"
    assert await sojourn(nowhere, "promote", "1") == (3, said)


async def test_a_build_without_workers_is_not_promoted(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = rig.settings.task_queue
    status, output = await sojourn(rig.settings, "promote", "nobody", "--within", "0")
    assert (status, output) == (
        3,
        f"sojourn: build nobody was not made current: no worker of it has ever asked for the tasks of {queue}\n",
    )
    async with worker_process(of_build(rig, "1")):
        await promoted(rig, "1")
    async with worker_process(of_build(rig, "2")):
        await promoted(rig, "2")
    monkeypatch.setattr(deployments, "LONGEST_SILENCE", timedelta(0))
    with pytest.raises(UnavailableError, match="build 1 was not made current: no worker of it asks for the tasks of"):
        await deployments.promote(rig.temporal, queue, "1", timedelta(0))
