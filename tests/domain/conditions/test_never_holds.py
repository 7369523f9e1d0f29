"""What no data can satisfy is refused when it is published, and says what would be right."""

from datetime import UTC, datetime

import pytest

from domain.conditions.expressions import ConditionError, ExpressionScope, compile_condition
from tests.domain.conditions.times import NOW

ONE, EXIT, BRANCH = ExpressionScope.ENTRY_WHERE, ExpressionScope.EXIT_WHERE, ExpressionScope.BRANCH_WHEN


@pytest.mark.parametrize(
    ("text", "place", "message", "suggestion"),
    [
        (
            "profile.stage == 5",
            ONE,
            "`==` does not apply to (string or null, number) (column 15)",
            "in quotes: `… == '5'`",
        ),
        ("event.name == 5", ONE, "(string or null, number)", "in quotes"),
        ("event.user_id == 42", EXIT, "(string or null, number)", "in quotes"),
        ("entry.anonymous_id != 42", EXIT, "(string or null, number)", "in quotes"),
        ("profile.user_id == 42.5", ONE, "(string or null, number)", "in quotes"),
        ("profile.stage == true", ONE, "(string or null, bool)", "Compare like with like"),
        ("profile.stage in [1, 2]", BRANCH, "`in` does not apply to (string or null, list(number))", "in quotes"),
        ("profile.stage > 3", BRANCH, "(string or null, number)", "in quotes"),
        ("event.name == ['Paid']", ONE, "(string or null, list(string))", "Compare like with like"),
        ("event.name == event.timestamp", ONE, "(string or null, timestamp)", "timestamp('2026"),
        ("event.type == 5", ONE, "(string, number)", "in quotes"),
        ("event.type == 'Track'", ONE, "`event.type` is never `Track` (column 15)", "Did you mean `track`?"),
        ("'purchase' != entry.type", EXIT, "`entry.type` is never `purchase`", "Types: track, identify"),
        (
            "event.properties.at > timestamp('2026-01-01T00:00:00Z')",
            ONE,
            "`event.properties.at` is never a timestamp: JSON has texts and numbers",
            "Write `timestamp(event.properties.at)`",
        ),
        ("event.timestamp == profile.traits['since when']", ONE, "never a timestamp", "profile.traits['since when']"),
        ("profile.created_at < entry.properties.a.b", BRANCH, "never a timestamp", "timestamp(entry.properties.a.b)"),
        ("profile.traits.age > duration('24h')", ONE, "never a duration", "Write `duration(profile.traits.age)`"),
        ("event.timestamp - event.properties.at > duration('1h')", ONE, "never a timestamp", "timestamp(event"),
        ("event.type in ['track', 'Track']", ONE, "`event.type` is never `Track` (column 25)", "Did you mean `track`?"),
        ("'purchase' in [event.type]", ONE, "`event.type` is never `purchase` (column 1)", "Types: track"),
        ("entry.type in {'Track': 1}", BRANCH, "`entry.type` is never `Track`", "Did you mean `track`?"),
        ("event.properties.at in [event.timestamp]", ONE, "never a timestamp", "timestamp(event.properties.at)"),
        ("event.timestamp in [profile.traits.at]", ONE, "never a timestamp", "timestamp(profile.traits.at)"),
        ("timestamp(1.5) > event.timestamp", ONE, "a timestamp is never made of a decimal (column 11)", "whole number"),
        ("duration(double(event.properties.s)) > duration('1s')", ONE, "a duration is never made of", "'90s'"),
        ("event.timestamp - event.timestamp > duration(5)", ONE, "a duration is never made of a number", "'90s'"),
        ("{1.5: 'a'}[event.properties.x] == 'a'", ONE, "a key of a map is never made of a decimal", "whole number"),
        ("{null: 1}", ONE, "a key of a map is never null (column 2)", "a text in quotes"),
        ("event.properties.x in {null: 1}", ONE, "a key of a map is never null (column 24)", "a text in quotes"),
        ("{b'a': 1} != {}", BRANCH, "a key of a map is never bytes (column 2)", "a text in quotes"),
        ("{'a': 1, [1]: 2} != {}", BRANCH, "a key of a map is never a list (column 10)", "a text in quotes"),
        ("{{1: 1}: 2} != {}", BRANCH, "a key of a map is never a map (column 2)", "a text in quotes"),
        ("[1].all(x, " * 28 + "true" + ")" * 28, ONE, "CEL refuses the expression", "less nested"),
        ("number(event.properties.x) > 5", ONE, "`number` is not known", "Known here: event, profile"),
    ],
)
def test_what_never_holds_is_refused(text: str, place: ExpressionScope, message: str, suggestion: str) -> None:
    with pytest.raises(ConditionError) as refused:
        compile_condition(text, place)
    assert message in refused.value.message
    assert suggestion in refused.value.suggestion


@pytest.mark.parametrize(
    ("text", "stage", "holds"),
    [
        ("profile.stage == null", None, True),
        ("profile.stage == null", "lead", False),
        ("profile.stage != null && profile.stage == 'lead'", "lead", True),
        ("profile.stage == 'lead'", None, False),
        ("profile.stage in ['lead', 'customer']", "lead", True),
        ("profile.stage != null && profile.stage.startsWith('le')", "lead", True),
        ("profile.stage == profile.traits.stage", "lead", True),
        ("profile.stage == profile.user_id", None, True),
        ("{'lead': true}[profile.stage]", "lead", True),
        ("[profile.stage, 'x'].exists(s, s == 'lead')", "lead", True),
        ("(profile.stage == null ? 'none' : profile.stage) == 'none'", None, True),
        ("timestamp(profile.traits.at) < profile.created_at", None, True),
        ("entry.type in ['track', 'audience']", None, True),
        ("profile.traits.stage in ['Track', 'lead']", None, True),
        ("timestamp(1) < profile.created_at && duration('1.5s') < duration('2s')", None, True),
    ],
)
def test_what_may_hold_is_not(text: str, stage: str | None, holds: bool) -> None:
    traits = {"stage": "lead", "at": "2026-01-01T00:00:00Z"}
    person = {"stage": stage, "traits": traits, "user_id": None, "created_at": datetime(2026, 6, 1, tzinfo=UTC)}
    condition = compile_condition(text, ExpressionScope.BRANCH_WHEN)
    assert condition.evaluate(NOW, profile=person, entry={"type": "track"})[:3] == (holds, None, None)
