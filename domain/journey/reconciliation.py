"""What it means where the database and Temporal do not agree on a journey, and what is to be done about it."""

from enum import StrEnum
from typing import Literal

from msgspec import Struct

from domain.journey.state import CANCELLED, COMPLETED, EXITED, EndState

# The outcome of a journey whose workflow failed or timed out: it cannot go on.
FAILED = "failed"


class Finding(StrEnum):
    """What does not agree."""

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


# Why an operator should look, also where it was repaired.
FOR_PEOPLE = {
    Finding.WORKFLOW_FAILED: "their histories in the Temporal UI say why they failed; their journeys are over",
    Finding.VERSION_DIFFERS: "they were moved to another version, and are back on the one before: move them again",
    Finding.WORKFLOW_WITHOUT_ROW: "the database may be an old backup, or that of another deployment",
}


Execution = Literal["running", "completed", "failed", "canceled", "terminated", "timed_out"]
ReconciliationState = Literal["pending", "running", "done"]


class WorkflowState(Struct, frozen=True):
    """A journey's workflow in Temporal.

    `result` is that of a completed one, `version` that of the campaign. `is_busy` says that something is under way of
    which the workflow, or the database, is yet to hear.
    """

    execution: Execution
    result: str | None = None
    step: str | None = None
    status: str | None = None
    version: int | None = None
    is_busy: bool = False


class Verdict(Struct, frozen=True):
    """What is wrong with a row that is active, and how it ends, as (state, outcome); None where it is to go on."""

    finding: Finding
    ending: tuple[EndState, str] | None


def judge(workflow: WorkflowState | None) -> Verdict | None:
    """The verdict on a journey that is active and has nothing in the outbox; None where there is nothing wrong."""
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
    """Whether a workflow is on another version than the row says."""
    return workflow.version is not None and workflow.version != version


def is_elsewhere(workflow: WorkflowState, step: str | None, status: str | None) -> bool:
    """Whether a workflow rests somewhere else than the row says. Of one that does not rest, it is not known."""
    rests = workflow.status in ("waiting", "deferred", "held")
    return rests and not workflow.is_busy and (workflow.step, workflow.status) != (step, status)
