"""The workflow code walks every recorded history just as the release that recorded it did."""

import json
from base64 import b64decode, b64encode
from typing import Any
from uuid import UUID

import pytest
from msgspec import Struct, ValidationError, convert
from temporalio.client import WorkflowHistory
from temporalio.worker import Interceptor, Replayer
from temporalio.workflow import NondeterminismError

from domain.campaign.plan import Plan
from runtime.codec import DATA_CONVERTER
from runtime.temporal import WORKFLOWS, workflow_runner
from runtime.tracing import TraceInterceptor
from tests.replay.record import HISTORIES, KINDS, RELEASE


def replayer(*interceptors: Interceptor) -> Replayer:
    return Replayer(
        workflows=WORKFLOWS,
        workflow_runner=workflow_runner(),
        data_converter=DATA_CONVERTER,
        interceptors=interceptors,
    )


def history(events: dict[str, Any]) -> WorkflowHistory:
    """Under the id that it was recorded with: what is drawn by chance is drawn from that."""
    started = events["events"][0]["workflowExecutionStartedEventAttributes"]
    return WorkflowHistory.from_json(started["workflowId"], json.dumps(events))


def recorded(name: str, release: str = RELEASE) -> dict[str, Any]:
    events: dict[str, Any] = json.loads((HISTORIES / release / f"{name}.json").read_text())
    return events


def started_with(events: dict[str, Any]) -> dict[str, Any]:
    [payload] = events["events"][0]["workflowExecutionStartedEventAttributes"]["input"]["payloads"]
    journey: dict[str, Any] = json.loads(b64decode(payload["data"]))
    return journey


def started(events: dict[str, Any], journey: dict[str, Any]) -> dict[str, Any]:
    """The same history of a workflow that was started with something else."""
    [payload] = events["events"][0]["workflowExecutionStartedEventAttributes"]["input"]["payloads"]
    payload["data"] = b64encode(json.dumps(journey).encode()).decode()
    return events


RECORDED = sorted((file.parent.name, file.stem) for file in HISTORIES.glob("*/*.json"))


@pytest.mark.parametrize(("release", "name"), RECORDED)
async def test_a_recorded_journey_replays(release: str, name: str) -> None:
    await replayer().replay_workflow(history(recorded(name, release)))


async def test_a_worker_that_takes_traces_walks_as_one_that_does_not() -> None:
    for release, name in RECORDED:
        await replayer(TraceInterceptor()).replay_workflow(history(recorded(name, release)))


async def test_a_journey_that_a_worker_of_an_earlier_release_has_walked_is_walked_as_that_did() -> None:
    """It was started by this release, which tells its row where it rests, while workers of both were running."""
    events = recorded("mail_sent", "0.1.0")
    journey = started_with(events)
    assert "told" not in journey
    journey["told"] = {"step": "elsewhere", "standing": "waiting", "visit": 1}
    await replayer().replay_workflow(history(started(events, journey)))


class JourneyInput01(Struct):
    """What a worker of 0.1 reads of a start; the rest of it had defaults."""

    journey_id: UUID
    campaign: str
    plan: Plan
    shown: tuple[str, str]


async def test_no_worker_of_0_1_walks_what_a_newer_one_has_started() -> None:
    """It asks nothing locally, so that no newer one could go on. Its task fails before anything is asked."""
    before, now = recorded("mail_sent", "0.1.0"), recorded("mail_sent", "0.2.0")
    assert convert(started_with(before), JourneyInput01).campaign == "cart"
    with pytest.raises(ValidationError, match="shown"):
        convert(started_with(now), JourneyInput01)
    with pytest.raises(NondeterminismError):
        await replayer().replay_workflow(history(started(before, started_with(now))))


def test_this_release_has_recorded_every_kind() -> None:
    """`make histories` does."""
    assert {name for release, name in RECORDED if release == RELEASE} == {kind.__name__ for kind in KINDS}


async def test_a_history_that_the_code_would_not_write_is_refused() -> None:
    """The proof that replaying proves anything: here the activities of a recorded one have other names."""
    events = recorded("mail_sent")
    for event in events["events"]:
        if event["eventType"] == "EVENT_TYPE_ACTIVITY_TASK_SCHEDULED":
            event["activityTaskScheduledEventAttributes"]["activityType"]["name"] = "evaluate_branch"
    with pytest.raises(NondeterminismError):
        await replayer().replay_workflow(history(events))
