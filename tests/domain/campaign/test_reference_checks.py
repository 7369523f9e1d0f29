import json

import pytest

from domain.campaign.reference_checks import Reference, find_references
from tests.domain.campaign.documents import problem, problems, steps

STEPS = """\
  - {{id: nudge, send: {{channel: email, template: hello}}}}
  - {{id: the-rest, delay: 1h}}
  - id: offer
    split: {{arms: {{discount: 45, holdout: 10}}}}
    discount: []
    holdout: []
  - id: fork
    branch:
      - when: {when}
        do: []
      - when: journey.steps['the-rest'] > 0 && journey.messages.nudge == "opened" && journey.arms.offer != 'none'
        do: []
"""
LINE = 13


@pytest.mark.parametrize(
    ("when", "message", "suggestion"),
    [
        ("journey.steps['nudg'] > 0", "there is no step `nudg`", "Did you mean `nudge`? Steps: nudge, the-rest, offer"),
        ("journey.messages.fork == 'opened'", "there is no step `fork` that sends", "Steps that send: nudge"),
        ('journey.messages["x"] == "opened"', "there is no step `x` that sends", "Steps that send: nudge"),
        ("journey.arms.nudge == 'x'", "there is no step `nudge` that splits", "Splits: offer"),
        ("journey.messages.nudge == 'sent'", "a message is never `sent`", "`ignored` as long as it is not opened"),
        ("'delivered' != journey.messages.nudge", "a message is never `delivered`", "`opened`, or `ignored`"),
        ("journey.messages['nudge'] in ['opened', 'clicked']", "a message is never `clicked`", "It is one of: none"),
        ("journey.messages.nudge == 'opend'", "a message is never `opend`", "Did you mean `opened`? It is one of"),
        (
            "journey.arms.offer == 'holdot'",
            *("the split `offer` has no arm `holdot`", "Did you mean `holdout`? Arms: discount, holdout, none"),
        ),
    ],
)
def test_a_condition_names_what_exists(when: str, message: str, suggestion: str) -> None:
    found = problem(steps(STEPS.format(when=json.dumps(when))))
    assert (found.line, found.path) == (LINE, "steps[3].branch[0].when")
    assert found.message == message
    assert suggestion in found.suggestion


@pytest.mark.parametrize(
    ("step", "path"),
    [
        (
            "{id: a, repeat: {every: 1d, until: {when: journey.messages.x == 'opened'}}, do: [{id: b, delay: 1h}]}",
            "repeat.until.when",
        ),
        ("{id: a, update_profile: {last: {cel: journey.messages.x}}}", "update_profile.last.cel"),
        ("{id: a, emit_event: {event: E, properties: {p: {cel: journey.messages.x}}}}", "emit_event.properties.p.cel"),
    ],
)
def test_every_expression_that_sees_the_journey_is_looked_at(step: str, path: str) -> None:
    found = problem(steps(f"  - {step}\n"))
    assert (found.path, found.message) == (f"steps[0].{path}", "there is no step `x` that sends")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("journey.steps.a > 0", [Reference("steps", "a", ())]),
        ("journey.messages[ 'a-b' ] != \"opened\"", [Reference("messages", "a-b", ("opened",))]),
        (
            "'x' == journey.arms.a && journey.arms.b in ['y', \"z\"]",
            [Reference("arms", "a", ("x",)), Reference("arms", "b", ("y", "z"))],
        ),
        ("'journey.steps.a' == profile.traits.text", []),
        ("profile.traits.journey.steps.a == 1", []),
        ("journey.steps.a-b > 0", []),
        ("journey.steps.a-1 > 0", [Reference("steps", "a", ())]),
        ("profile.traits.a == 'x' ? journey.messages.b : 'y'", [Reference("messages", "b", ())]),
    ],
)
def test_reads_what_is_named(text: str, found: list[Reference]) -> None:
    assert list(find_references(text)) == found


def test_steps_in_a_list_of_any_kind_may_be_named() -> None:
    text = """\
  - id: w
    wait_for: {events: [{event: Seen, do: [{id: a, delay: 1h}]}], timeout: 1d}
  - id: s
    split: {arms: {x: 1, y: 1}}
    x: [{id: b, delay: 1h}]
    y: []
  - {id: r, repeat: {every: 1d, times: 2}, do: [{id: c, delay: 1h}]}
  - {id: set, update_profile: {sum: {cel: journey.steps.a + journey.steps.b + journey.steps.c}}}
"""
    assert problems(steps(text)) == []
