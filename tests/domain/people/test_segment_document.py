"""The document of a segment: its rule, and the problems that it may have, alone and among others."""

from collections.abc import Mapping

import pytest

from domain.deployed_names import DeployedNames
from domain.errors import InvalidDocumentError, Problem
from domain.people.segment_document import MAX_SEGMENTS, SegmentSource, check_segments, parse_segment
from domain.people.segments.definition import SegmentRule
from domain.people.segments.references import find_circle, order_by_references

NAMES = DeployedNames({"orders": "int", "active_14d": "bool", "last_at": "timestamp"}, ["vip"])
VIP = SegmentRule("profile.computed.orders > 9")


def document(where: str = "true", key: str = "buyers", more: str = "") -> str:
    return f"key: {key}\nname: Buyers\nwhere: >-\n  {where}\n{more}"


def problems_of(*texts: str, deployed: Mapping[str, SegmentRule] | None = None) -> list[Problem]:
    sources = [SegmentSource(text, f"{number}.yaml") for number, text in enumerate(texts)]
    try:
        check_segments(sources, NAMES, {"vip": VIP} if deployed is None else deployed)
    except InvalidDocumentError as error:
        return error.problems
    return []


def test_a_segment_is_read() -> None:
    more = "description: |\n  For the desk.\n\n  Since May.\non_change: trigger\n"
    checked = parse_segment(document("profile.computed.orders >= 1", more=more), "buyers.yaml")
    assert (checked.key, checked.name, checked.warnings) == ("buyers", "Buyers", [])
    assert checked.rule == SegmentRule("profile.computed.orders >= 1", "trigger")
    assert parse_segment(document(), "buyers.yaml").rule == SegmentRule("true", "silent")


@pytest.mark.parametrize(
    ("text", "line", "path", "message", "suggestion"),
    [
        (document(key="VIP Buyers"), 1, "key", "`VIP Buyers` is not a segment's key", "Did you mean `vip-buyers`?"),
        (document(key="rfm.champions"), 1, "key", "`rfm.champions` is not a segment's key", "`rfm-champions`"),
        (document("event.name == 'A'"), 3, "where", "`event` is not known here", "Known here: profile, account"),
        (document("profile.computed.orders"), 3, "where", "a condition is true or false", "Compare it"),
        (document("profile.computed.order > 1"), 3, "where", "there is no computed trait `order`", "`orders`"),
        (document("profile.computed.last_at > 3"), 3, "where", "`>` does not apply to (timestamp, number)", ""),
        (document("'vips' in profile.segments"), 3, "where", "there is no segment `vips`", "Did you mean `vip`?"),
        (document("size(profile.segments) > 1"), 3, "where", "can be asked only for a segment by its key", '"vip" in'),
        (document(more="on_change: loud\n"), 5, "on_change", "`loud` is not allowed", "silent, trigger"),
        (document(more="exclusive: stages\n"), 5, "exclusive", "`exclusive` is not known here", "key, name"),
        ("key: buyers\nname: Buyers\ncondition: 'true'\n", 3, "condition", "not known here", "Did you mean `where`?"),
        ("key: buyers\nwhere: 'true'\n", 1, "name", "`name` is missing", "Add"),
        (document("'buyers' in profile.segments"), 3, "where", "reads itself: `buyers` reads `buyers`", "Write one"),
    ],
)
def test_each_problem_has_its_place_and_remedy(text: str, line: int, path: str, message: str, suggestion: str) -> None:
    [problem] = problems_of(text)
    assert (problem.file, problem.line, problem.path) == ("0.yaml", line, path)
    assert message in problem.message
    assert suggestion in problem.suggestion


def test_documents_may_read_one_another_in_any_order() -> None:
    texts = [document("'b' in profile.segments", "a"), document("'vip' in profile.segments", "b")]
    assert problems_of(*texts) == []
    rules = {"a": SegmentRule("'b' in profile.segments"), "b": SegmentRule("'vip' in profile.segments"), "vip": VIP}
    assert order_by_references(rules) == ["vip", "b", "a"]


def test_the_problems_of_all_documents_are_told_at_once() -> None:
    problems = problems_of(document("'c' in profile.segments", "a"), document("1 +", "b"), document(key="a"))
    assert [(problem.file, problem.path) for problem in problems] == [
        ("1.yaml", "where"),
        ("2.yaml", "key"),
        ("0.yaml", "where"),
    ]
    assert problems[1].message == "`a` is the key of 0.yaml as well"


def test_a_circle_is_refused_by_its_names() -> None:
    deployed = {"vip": VIP, "b": SegmentRule("'c' in profile.segments"), "c": SegmentRule("!('a' in profile.segments)")}
    [problem] = problems_of(document("'vip' in profile.segments || 'b' in profile.segments", "a"), deployed=deployed)
    assert (problem.path, problem.message) == ("where", "the segment reads itself: `a` reads `b` reads `c` reads `a`")
    # A document that breaks the circle makes both valid.
    others = [document("'b' in profile.segments", "a"), document(key="c")]
    assert problems_of(*others, deployed=deployed) == []


def test_an_exclusive_group_is_judged_as_one() -> None:
    rules = {
        "stage.a": SegmentRule("true", exclusive="lifecycle"),
        "stage.b": SegmentRule("'stage.a' in profile.segments", exclusive="lifecycle", position=1),
        "kept": SegmentRule("'stage.a' in profile.segments"),
    }
    assert find_circle("stage.b", rules) is None
    rules["stage.c"] = SegmentRule("'kept' in profile.segments", exclusive="lifecycle", position=2)
    assert find_circle("kept", rules) == ["kept", "stage.c", "kept"]
    assert find_circle("stage.a", rules) == ["stage.c", "kept", "stage.a"]


def test_there_are_at_most_500() -> None:
    deployed = {f"s{number}": VIP for number in range(MAX_SEGMENTS - 1)}
    assert problems_of(document(key="s0"), document(key="a"), deployed=deployed) == []
    [problem] = problems_of(document(key="s0"), document(key="a"), document(key="b"), deployed=deployed)
    assert (problem.file, problem.path) == ("2.yaml", "key")
    assert problem.message == "a deployment has at most 500 segments, and this would be one more"


@pytest.mark.parametrize(
    ("where", "traits"),
    [
        ("!profile.computed.active_14d", ["active_14d"]),
        ("profile.computed.orders >= 1 && !profile.computed.active_14d", ["active_14d"]),
        ("!(profile.computed.orders > 3 || profile.computed.active_14d)", ["orders", "active_14d"]),
        ("profile.computed.orders == 0", ["orders"]),
        ("profile.computed.orders < 1", ["orders"]),
        ("profile.computed.active_14d == false", ["active_14d"]),
        ('known_for("14d") || !profile.computed.active_14d', ["active_14d"]),
        ('!known_for("14d") && !profile.computed.active_14d', ["active_14d"]),
        ('known_for("14d") && profile.user_id != null && !profile.computed.active_14d', []),
        ('known_for("14d") && (profile.user_id != null || !profile.computed.active_14d)', []),
        ("profile.computed.orders >= 1 && profile.computed.orders < 5", []),
        ("!('vip' in profile.segments) && !has(profile.traits.a)", []),
    ],
)
def test_a_negation_without_known_for_is_warned_of(where: str, traits: list[str]) -> None:
    warnings = parse_segment(document(where), "a.yaml").warnings
    assert [warning.message.rpartition("in `profile.computed.")[2] for warning in warnings] == [
        f"{trait}` yet" for trait in traits
    ]
    assert all((warning.line, warning.path) == (3, "where") for warning in warnings)
