"""The workflow code walks every recorded history just as the release that recorded it did."""

import json
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from runtime.codec import DATA_CONVERTER
from runtime.temporal import WORKFLOWS, workflow_runner
from tests.replay.record import FOLDER, KINDS


def replayer() -> Replayer:
    return Replayer(workflows=WORKFLOWS, workflow_runner=workflow_runner(), data_converter=DATA_CONVERTER)


def history(file: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json("cart/u1/0123456789ab", file.read_text())


@pytest.mark.parametrize("name", [kind.__name__ for kind in KINDS])
async def test_a_recorded_journey_replays(name: str) -> None:
    await replayer().replay_workflow(history(FOLDER / f"{name}.json"))


def test_every_recorded_history_is_replayed() -> None:
    assert {file.stem for file in FOLDER.glob("*.json")} == {kind.__name__ for kind in KINDS}


async def test_a_history_that_the_code_would_not_write_is_refused() -> None:
    """The proof that replaying proves anything: here the activities of a recorded one have other names."""
    events = json.loads((FOLDER / "mail_sent.json").read_text())
    for event in events["events"]:
        if event["eventType"] == "EVENT_TYPE_ACTIVITY_TASK_SCHEDULED":
            event["activityTaskScheduledEventAttributes"]["activityType"]["name"] = "evaluate_branch"
    broken = WorkflowHistory.from_json("cart/u1/0123456789ab", json.dumps(events))
    with pytest.raises(NondeterminismError):
        await replayer().replay_workflow(broken)
