"""The workflow code walks every recorded history just as the release that recorded it did."""

import json
from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Interceptor, Replayer
from temporalio.workflow import NondeterminismError

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


RECORDED = sorted((file.parent.name, file.stem) for file in HISTORIES.glob("*/*.json"))


@pytest.mark.parametrize(("release", "name"), RECORDED)
async def test_a_recorded_journey_replays(release: str, name: str) -> None:
    await replayer().replay_workflow(history(recorded(name, release)))


async def test_a_worker_that_takes_traces_walks_as_one_that_does_not() -> None:
    for release, name in RECORDED:
        await replayer(TraceInterceptor()).replay_workflow(history(recorded(name, release)))


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
