import pytest

from domain.journey.reconciliation import Finding, Seen, Verdict, is_elsewhere, judge


@pytest.mark.parametrize(
    ("workflow", "verdict"),
    [
        (None, Verdict(Finding.ROW_WITHOUT_WORKFLOW, None)),
        (Seen("running"), None),
        (Seen("completed", "engaged"), Verdict(Finding.WORKFLOW_COMPLETED, ("completed", "engaged"))),
        (Seen("completed", "exited"), Verdict(Finding.WORKFLOW_COMPLETED, ("exited", "exited"))),
        (Seen("terminated"), Verdict(Finding.WORKFLOW_TERMINATED, ("completed", "cancelled"))),
        (Seen("canceled"), Verdict(Finding.WORKFLOW_TERMINATED, ("completed", "cancelled"))),
        (Seen("failed"), Verdict(Finding.WORKFLOW_FAILED, ("completed", "failed"))),
        (Seen("timed_out"), Verdict(Finding.WORKFLOW_FAILED, ("completed", "failed"))),
    ],
)
def test_what_an_active_row_is_told_by_its_workflow(workflow: Seen | None, verdict: Verdict | None) -> None:
    assert judge(workflow) == verdict


@pytest.mark.parametrize(
    ("workflow", "is_it"),
    [
        (Seen("running", None, "rest", "waiting"), False),
        (Seen("running", None, "rest", "held"), True),
        (Seen("running", None, "other", "waiting"), True),
        (Seen("running", None, "other", "waiting", is_busy=True), False),
        (Seen("running", None, "other", "acting"), False),
    ],
)
def test_only_of_a_workflow_that_rests_can_be_told_where_it_is(workflow: Seen, is_it: bool) -> None:
    assert is_elsewhere(workflow, "rest", "waiting") == is_it
