"""Findings and repairs where the database and Temporal disagree on a journey."""

from enum import StrEnum
from typing import Literal

from msgspec import Struct

from domain.journey.state import CANCELLED, COMPLETED, EXITED, EndState

# The outcome of a journey whose workflow failed or timed out: it cannot go on.
FAILED = "failed"


class Finding(StrEnum):
    """A disagreement."""

    ROW_WITHOUT_WORKFLOW = "row_without_workflow"
    WORKFLOW_COMPLETED = "workflow_completed"
    WORKFLOW_TERMINATED = "workflow_terminated"
    WORKFLOW_FAILED = "workflow_failed"
    WORKFLOW_WITHOUT_ROW = "workflow_without_row"
    WORKFLOW_OUTLIVED_ROW = "workflow_outlived_row"
    VERSION_DIFFERS = "version_differs"
    POSITION_DIFFERS = "position_differs"
    MESSAGE_LEFT_BEHIND = "message_left_behind"
    CAMPAIGN_ASLEEP = "campaign_asleep"


# Findings that an operator should look at, even if repaired, and why.
FOR_PEOPLE = {
    Finding.WORKFLOW_FAILED: "their histories in the Temporal UI say why they failed; their journeys are over",
    Finding.VERSION_DIFFERS: "they were moved to another version, and are back on the one before: move them again",
    Finding.WORKFLOW_WITHOUT_ROW: "the database may be an old backup, or that of another deployment",
}


Execution = Literal["running", "completed", "failed", "canceled", "terminated", "timed_out"]
ReconciliationState = Literal["pending", "running", "done"]


class WorkflowState(Struct, frozen=True):
    """A journey's workflow in Temporal.

    `result` is that of a completed one, `version` that of the campaign. With `is_busy`, an activity or
    a workflow task is pending, so that row and workflow may differ for a moment.
    """

    execution: Execution
    result: str | None = None
    step: str | None = None
    status: str | None = None
    version: int | None = None
    is_busy: bool = False


class Verdict(Struct, frozen=True):
    """The finding on an active row, and its (state, outcome) if it ends."""

    finding: Finding
    ending: tuple[EndState, str] | None


def judge(workflow: WorkflowState | None) -> Verdict | None:
    """Judge an active journey without outbox rows; None if nothing is wrong."""
    if workflow is None:
        return Verdict(Finding.ROW_WITHOUT_WORKFLOW, None)
    match workflow.execution:
        case "running":
            return None
        case "completed":
            outcome = workflow.result or COMPLETED
            return Verdict(Finding.WORKFLOW_COMPLETED, (EXITED if outcome == EXITED else COMPLETED, outcome))
        case "canceled" | "terminated":
            return Verdict(Finding.WORKFLOW_TERMINATED, (COMPLETED, CANCELLED))
        case _:
            return Verdict(Finding.WORKFLOW_FAILED, (COMPLETED, FAILED))


def is_on_another(workflow: WorkflowState, version: int) -> bool:
    """Whether a workflow is on another version than its row."""
    return workflow.version is not None and workflow.version != version


def is_elsewhere(workflow: WorkflowState, step: str | None, status: str | None) -> bool:
    """Whether a workflow rests, and at another position than its row."""
    rests = workflow.status in ("waiting", "deferred", "held")
    return rests and not workflow.is_busy and (workflow.step, workflow.status) != (step, status)
