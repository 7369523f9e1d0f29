import pytest

from domain.journey.reconciliation import Finding, Verdict, WorkflowState, is_elsewhere, judge


@pytest.mark.parametrize(
    ("workflow", "verdict"),
    [
        (None, Verdict(Finding.ROW_WITHOUT_WORKFLOW, None)),
        (WorkflowState("running"), None),
        (WorkflowState("completed", "engaged"), Verdict(Finding.WORKFLOW_COMPLETED, ("completed", "engaged"))),
        (WorkflowState("completed", "exited"), Verdict(Finding.WORKFLOW_COMPLETED, ("exited", "exited"))),
        (WorkflowState("terminated"), Verdict(Finding.WORKFLOW_TERMINATED, ("completed", "cancelled"))),
        (WorkflowState("canceled"), Verdict(Finding.WORKFLOW_TERMINATED, ("completed", "cancelled"))),
        (WorkflowState("failed"), Verdict(Finding.WORKFLOW_FAILED, ("completed", "failed"))),
        (WorkflowState("timed_out"), Verdict(Finding.WORKFLOW_FAILED, ("completed", "failed"))),
    ],
)
def test_what_an_active_row_is_told_by_its_workflow(workflow: WorkflowState | None, verdict: Verdict | None) -> None:
    assert judge(workflow) == verdict


@pytest.mark.parametrize(
    ("workflow", "is_it"),
    [
        (WorkflowState("running", None, "rest", "waiting"), False),
        (WorkflowState("running", None, "rest", "held"), True),
        (WorkflowState("running", None, "other", "waiting"), True),
        (WorkflowState("running", None, "other", "waiting", is_busy=True), False),
        (WorkflowState("running", None, "other", "acting"), False),
    ],
)
def test_only_of_a_workflow_that_rests_can_be_told_where_it_is(workflow: WorkflowState, is_it: bool) -> None:
    assert is_elsewhere(workflow, "rest", "waiting") == is_it
