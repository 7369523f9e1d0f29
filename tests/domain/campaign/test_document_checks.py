import pytest

from domain.campaign.document_checks import MAX_STEPS
from tests.domain.campaign.documents import HEAD, problem, problems

WAIT = "  - id: w\n    wait_for: {event: Seen, timeout: 1d}\n"
LATER = "  - {id: later, delay: 1h}\n"


def steps(text: str) -> str:
    return f"{HEAD}steps:\n{text}"


def test_an_id_taken_twice_in_any_list() -> None:
    found = problem(steps("  - {id: a, delay: 1h}\n" + WAIT + "    on_event: [{id: a, delay: 1h}]\n"))
    assert (found.line, found.path) == (8, "steps[1].on_event[0].id")
    assert found.message == "the id `a` is taken by the step on line 5"


@pytest.mark.parametrize(
    "before",
    [
        "  - {exit: done}\n",
        WAIT + "    on_event: [{exit: a}]\n    on_timeout: [{id: x, delay: 1h}, {exit: b}]\n",
        "  - {id: b, branch: [{when: 'true', do: [{exit: a}]}], otherwise: [{exit: b}]}\n",
    ],
)
def test_a_step_after_the_end_is_never_reached(before: str) -> None:
    found = problem(steps(before + LATER + LATER.replace("later", "latest")))
    assert found.path == "steps[1]"
    assert found.message == "this step is never reached"
    assert "on line 5" in found.suggestion


@pytest.mark.parametrize(
    "before",
    [
        WAIT,
        WAIT + "    on_event: [{exit: a}]\n",
        WAIT + "    on_event: [{exit: a}]\n    on_timeout: []\n",
        "  - {id: b, branch: [{when: 'true', do: [{exit: a}]}]}\n",
        "  - {id: b, branch: [{when: 'true', do: []}], otherwise: [{exit: a}]}\n",
    ],
)
def test_a_way_left_open_reaches_what_follows(before: str) -> None:
    assert problems(steps(before + LATER)) == []


@pytest.mark.parametrize(
    ("when", "message", "suggestion"),
    [
        ("journey.steps['nudg'] > 0", "there is no step `nudg`", "Did you mean `nudge`? Steps: nudge, rest, fork"),
        ("journey.messages.rest == 'sent'", "there is no step `rest` that sends", "Steps that send: nudge"),
        ('journey.messages["x"] == "sent"', "there is no step `x` that sends", "Steps that send: nudge"),
    ],
)
def test_a_condition_names_steps_that_exist(when: str, message: str, suggestion: str) -> None:
    text = f"""\
  - {{id: nudge, send: {{channel: email, template: hello}}}}
  - {{id: rest, delay: 1h}}
  - id: fork
    branch:
      - when: {when}
        do: []
      - when: journey.steps.rest > 0 && journey.messages['nudge'] == 'sent'
        do: []
"""
    found = problem(steps(text))
    assert (found.line, found.path) == (9, "steps[2].branch[0].when")
    assert (found.message, found.suggestion) == (message, suggestion)


def test_the_number_of_steps_is_bounded() -> None:
    many = "".join(f"  - {{id: s{number}, delay: 1h}}\n" for number in range(MAX_STEPS + 1))
    found = problem(steps(many))
    assert (found.line, found.path) == (4, "steps")
    assert "201 steps" in found.message
