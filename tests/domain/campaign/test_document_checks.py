from domain.campaign.document_checks import MAX_STEPS
from tests.domain.campaign.documents import problem, steps


def test_an_id_taken_twice_in_any_list() -> None:
    split = "  - id: s\n    split: {arms: {x: 1, y: 1}}\n    x: []\n    y: [{id: a, delay: 1h}]\n"
    found = problem(steps("  - {id: a, delay: 1h}\n" + split))
    assert (found.line, found.path) == (9, "steps[1].y[0].id")
    assert found.message == "the id `a` is taken by the step on line 5"


def test_the_number_of_steps_is_bounded() -> None:
    many = "".join(f"  - {{id: s{number}, delay: 1h}}\n" for number in range(MAX_STEPS + 1))
    found = problem(steps(many))
    assert (found.line, found.path) == (4, "steps")
    assert "201 steps" in found.message
