"""The questions of a survey and the way through them: what is refused, and what is rendered."""

import pytest

from domain.errors import Problem
from domain.surveys.survey import QuestionOutline
from domain.surveys.survey_template import SurveyTemplate, compile_survey
from domain.templates.front_matter import Field, parse_tree
from domain.templates.liquid_context import Rendering
from domain.templates.liquid_text import SourceLocation
from tests.domain.templates.sources import variables


def compiled(text: str) -> tuple[SurveyTemplate | None, list[Problem]]:
    body = Field(text, SourceLocation("t.liquid", 1, "survey"))
    tree, problems, _ = parse_tree(body)
    return compile_survey(tree, body.place, problems, []), problems


def faults(text: str) -> list[tuple[int, str]]:
    survey, problems = compiled(text)
    assert (survey is None) == bool(problems)
    return [(problem.line, problem.message) for problem in problems]


FULL = """title: How are we doing?
questions:
  - id: score
    type: nps
    text: Would you recommend us, {{ profile.traits.name }}?
    required: true
    low: Never
    high: At once
    next:
      - {when: {min: 9}, to: story}
      - {when: {max: 6}, to: why}
      - {to: end}
  - {id: story, type: text, text: Tell us your **story**., next: [{to: end}]}
  - id: why
    type: multi
    text: What went wrong?
    options:
      - {value: price, label: Too dear}
      - {value: other, label: Something else}
    next: [{when: {is: [other]}, to: more}, {to: end}]
  - {id: more, type: text, text: Tell us more.}
thanks: Thank you, **{{ profile.traits.name }}**.
"""


def text(*parts: str) -> list[object]:
    """A paragraph, of which every second part is bold."""
    nodes = [{"t": "text", "v": part} for part in parts]
    return [{"t": "p", "c": [{"t": "b", "c": [node]} if number % 2 else node for number, node in enumerate(nodes)]}]


def test_a_survey_is_rendered_as_it_is_written() -> None:
    survey, problems = compiled(FULL)
    assert survey is not None
    assert problems == []
    assert survey.render(Rendering(variables({"name": "Ada"}))) == {
        "title": "How are we doing?",
        "questions": [
            {
                "id": "score",
                "type": "nps",
                "text": text("Would you recommend us, Ada?"),
                "required": True,
                "low": "Never",
                "high": "At once",
                "next": [
                    {"when": {"min": 9}, "to": "story"},
                    {"when": {"max": 6}, "to": "why"},
                    {"when": {}, "to": "end"},
                ],
            },
            {
                "id": "story",
                "type": "text",
                "text": text("Tell us your ", "story", "."),
                "required": False,
                "next": [{"when": {}, "to": "end"}],
            },
            {
                "id": "why",
                "type": "multi",
                "text": text("What went wrong?"),
                "required": False,
                "options": [
                    {"value": "price", "label": "Too dear"},
                    {"value": "other", "label": "Something else"},
                ],
                "next": [{"when": {"is": ["other"]}, "to": "more"}, {"when": {}, "to": "end"}],
            },
            {"id": "more", "type": "text", "text": text("Tell us more."), "required": False},
        ],
        "thanks": text("Thank you, ", "Ada", "."),
    }
    assert survey.questions == (
        QuestionOutline("score", "nps", ()),
        QuestionOutline("story", "text", ()),
        QuestionOutline("why", "multi", ("price", "other")),
        QuestionOutline("more", "text", ()),
    )


def questions(*lines: str) -> str:
    return "questions:\n" + "\n".join(f"- {{{line}}}" for line in lines)


ONE = "id: a, type: nps, text: A"
OPTIONS = "options: [{value: x, label: X}, {value: y, label: Y}]"


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["id: a, text: A"], [(2, "'type' is missing")]),
        (["id: a, type: scale, text: A"], [(2, "there is no type 'scale'")]),
        (["id: a, type: nps"], [(2, "'text' is missing")]),
        (["id: end, type: nps, text: A"], [(2, "'end' is the end of a survey")]),
        (["id: a b, type: nps, text: A"], [(2, "'a b' is not a name")]),
        ([ONE, ONE], [(3, "the question 'a' stands here twice")]),
        (["id: a, type: single, text: A"], [(2, "'options' is missing")]),
        ([f"{ONE}, {OPTIONS}"], [(2, "there is no key 'options'")]),
        (["id: a, type: text, text: A, low: x"], [(2, "there is no key 'low'")]),
        (
            ["id: a, type: multi, text: A, options: [{value: x, label: X}, {value: x, label: Y}]"],
            [(2, "the option 'x' stands here twice")],
        ),
        ([f"{ONE}, next: [{{when: {{min: 9}}}}]"], [(2, "'to' is missing")]),
        ([f"{ONE}, next: [{{when: {{}}, to: end}}]"], [(2, "'when' names no answers")]),
        ([f"{ONE}, next: [{{when: {{min: 9, is: [1]}}, to: end}}]"], [(2, "'is' stands beside bounds")]),
        ([f"{ONE}, next: [{{when: {{min: 11}}, to: end}}]"], [(2, "'min' must be a whole number from 0 to 10")]),
        (
            ["id: a, type: stars, text: A, next: [{when: {max: 0}, to: end}]"],
            [(2, "'max' must be a whole number from 1 to 5")],
        ),
        ([f"{ONE}, next: [{{when: {{is: [11]}}, to: end}}]"], [(2, "the question has no answer '11'")]),
        (
            [f"id: a, type: single, text: A, {OPTIONS}, next: [{{when: {{is: [z]}}, to: end}}]"],
            [(2, "the question has no answer 'z'")],
        ),
        (
            [f"id: a, type: single, text: A, {OPTIONS}, next: [{{when: {{min: 1}}, to: end}}]"],
            [(2, "there is no key 'min'")],
        ),
        (["id: a, type: text, text: A, next: [{when: {is: [x]}, to: end}]"], [(2, "there is no key 'is'")]),
        ([f"{ONE}, next: [{{to: b}}]"], [(2, "there is no question 'b'")]),
    ],
)
def test_a_wrong_question_is_named_with_its_line(lines: list[str], found: list[tuple[int, str]]) -> None:
    assert faults(questions(*lines))[:1] == found


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        # b is left out by all answers of a.
        (
            [f"{ONE}, next: [{{to: c}}]", "id: b, type: text, text: B", "id: c, type: text, text: C"],
            [(3, "the question 'b' is never reached")],
        ),
        (
            [
                "id: a, type: csat, text: A, required: true, next: [{when: {min: 3}, to: c}, {when: {max: 2}, to: c}]",
                "id: b, type: text, text: B",
                "id: c, type: text, text: C",
            ],
            [(3, "the question 'b' is never reached")],
        ),
        (
            [f"{ONE}, next: [{{when: {{min: 9}}, to: end}}]", "id: b, type: text, text: B, next: [{to: a}]"],
            [(3, "the survey goes in a circle: a → b → a")],
        ),
        ([f"{ONE}, next: [{{when: {{is: [0]}}, to: a}}]"], [(2, "the survey goes in a circle: a → a")]),
        (
            [
                f"{ONE}, next: [{{when: {{min: 5}}, to: b}}, {{when: {{min: 7}}, to: end}}]",
                "id: b, type: text, text: B",
            ],
            [(2, "no answer takes this rule")],
        ),
        (
            [f"{ONE}, next: [{{when: {{min: 7, max: 5}}, to: end}}]"],
            [(2, "no answer takes this rule")],
        ),
    ],
)
def test_every_question_is_reached_and_none_comes_twice(lines: list[str], found: list[tuple[int, str]]) -> None:
    assert faults(questions(*lines)) == found


def test_a_question_that_may_be_left_out_leads_on() -> None:
    ways = "next: [{when: {min: 3}, to: c}, {when: {max: 2}, to: c}]"
    asked = [f"id: a, type: csat, text: A, {ways}", "id: b, type: text, text: B", "id: c, type: text, text: C"]
    assert faults(questions(*asked)) == []


def test_the_longest_survey_is_checked_at_once() -> None:
    # Two ways from each question are as many ways through all as Fibonacci's numbers.
    lines = [
        f"id: q{n}, type: nps, text: A, next: [{{when: {{min: 5}}, to: q{n + 1}}}, {{to: q{min(n + 2, 19)}}}]"
        for n in range(19)
    ]
    assert faults(questions(*lines, "id: q19, type: nps, text: A")) == []
