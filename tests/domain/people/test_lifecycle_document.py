"""The document of the life cycle: its stages, and the problems that it may have."""

from collections.abc import Mapping
from typing import Final

import pytest

from domain.deployed_names import DeployedNames
from domain.errors import InvalidDocumentError, Problem
from domain.people.lifecycle import StageRule, explain_stated_stage
from domain.people.lifecycle_document import check_conditions, parse_lifecycle, to_document
from domain.people.segments.definition import SegmentRule

NO_OTHERS: Final[Mapping[str, SegmentRule]] = {}
DOCUMENT = """\
stages:
  - {key: reach, when: "true"}
  - {key: conversion, name: About to buy, when: profile.computed.orders >= 1}
  - {key: churned, by: hand}
designed: [reach > conversion > reach, "conversion>churned"]
aims: {reach: conversion}
"""


def parse(text: str) -> tuple[StageRule, ...]:
    return parse_lifecycle(text, "lifecycle.yaml")


def check_names(text: str, names: DeployedNames, segments: Mapping[str, SegmentRule] = NO_OTHERS) -> list[Problem]:
    """The problems of a valid document's conditions."""
    try:
        check_conditions(text, "lifecycle.yaml", names, segments)
    except InvalidDocumentError as error:
        return list(error.problems)
    return []


def faults(text: str) -> list[tuple[int, str, str]]:
    with pytest.raises(InvalidDocumentError) as caught:
        parse(text)
    return [(problem.line, problem.message, problem.suggestion) for problem in caught.value.problems]


def test_stages_are_read_with_their_moves_and_aims() -> None:
    reach, conversion, churned = parse(DOCUMENT)
    assert reach == StageRule("reach", "reach", 1, "true", ("conversion",), "conversion")
    assert conversion.name == "About to buy"
    assert conversion.designed == ("reach", "churned")
    assert churned.is_manual
    assert to_document(churned) == {"key": "churned", "name": "churned", "position": 3, "by": "hand"}


def test_a_stage_is_a_segment_of_one_group() -> None:
    _, conversion, churned = parse(DOCUMENT)
    assert conversion.segment_rule() == SegmentRule("profile.computed.orders >= 1", "silent", "lifecycle", 2)
    assert churned.segment_rule().where == 'profile.stated_stage == "churned"'


def test_no_stages_are_a_document_as_well() -> None:
    assert parse("stages: []\n") == ()


@pytest.mark.parametrize(
    ("before", "after", "line", "said", "remedy"),
    [
        (
            'when: "true"',
            "when: profile.user_id != null",
            2,
            "the first stage is not everyone's",
            'Write `when: "true"`',
        ),
        ('when: "true"', "by: hand", 2, "the first stage is not everyone's", 'Write `when: "true"`'),
        (", by: hand", "", 4, "nothing says when the stage holds", "Add `when: …`, or `by: hand`"),
        ("by: hand", 'by: hand, when: "true"', 4, "`by` cannot stand beside `when`", "Keep one of the two"),
        ("key: churned", "key: reach", 4, "the key `reach` is that of the stage on line 2", "a key of its own"),
        ("profile.computed.orders >= 1", "profile.orders", 3, "no field `orders`", "Fields of profile"),
        (
            "profile.computed.orders >= 1",
            "profile.stage == 'x'",
            3,
            "`profile.stage` is what the stages",
            "stated_stage",
        ),
        (
            "profile.computed.orders >= 1",
            "\"'stage.reach' in profile.segments\"",
            3,
            "`stage.reach` is the stage `reach`, which these conditions decide",
            "Read traits",
        ),
        ("reach > conversion > reach", "reach > convesion", 5, "no stage `convesion`", "Did you mean `conversion`?"),
        ("reach > conversion > reach", "reach", 5, "`reach` is not a row of moves", "Write the stages in their order"),
        ("reach > conversion > reach", "reach > reach", 5, "`reach` does not move to itself", "in their order"),
        ("conversion>churned", "reach > conversion", 5, "`reach > conversion` is written twice", "Take one"),
        ("{reach: conversion}", "{reach: conversions}", 6, "no stage `conversions`", "Did you mean `conversion`?"),
        ("{reach: conversion}", "{reach: reach}", 6, "`reach` is its own aim", "its campaigns are to lead"),
    ],
)
def test_a_fault_is_named_with_its_line_and_remedy(before: str, after: str, line: int, said: str, remedy: str) -> None:
    assert before in DOCUMENT
    found = faults(DOCUMENT.replace(before, after))
    assert any(at == line and said in message and remedy in advice for at, message, advice in found), found


def test_all_problems_are_found_at_once() -> None:
    found = faults("stages:\n  - {key: a, by: hand}\n  - {key: A, when: x}\naims: {b: a}\n")
    assert [line for line, _, _ in found] == [2, 3, 3, 4]


def test_conditions_name_what_the_deployment_has() -> None:
    assert check_names(DOCUMENT, DeployedNames({"orders": "int"}, ())) == []
    [problem] = check_names(DOCUMENT, DeployedNames({"order": "int"}, ()))
    assert problem.line == 3
    circular = {"buyers": SegmentRule('profile.stage == "conversion"')}
    reading = DOCUMENT.replace("profile.computed.orders >= 1", """'"buyers" in profile.segments'""")
    [problem, *_] = check_names(reading, DeployedNames({}, ()), circular)
    assert "`stage.conversion` reads `buyers` reads `stage." in problem.message


def test_only_stages_by_hand_can_be_set() -> None:
    stages = parse(DOCUMENT)
    assert explain_stated_stage("churned", stages) is None
    said, remedy = explain_stated_stage("conversion", stages) or ("", "")
    assert (said, "`churned`" in remedy) == ("`conversion` is judged by its condition, and cannot be set", True)
    said, remedy = explain_stated_stage("churn", stages) or ("", "")
    assert said == "the life cycle has no stage `churn`"
    assert remedy.startswith("Did you mean `churned`?")
