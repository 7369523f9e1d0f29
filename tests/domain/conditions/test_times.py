"""`within`, `known_for` and `anniversary`: their answers, and when those change."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from domain.conditions.expressions import (
    ConditionError,
    ConditionOutcome,
    EvaluationTime,
    ExpressionScope,
    compile_condition,
)
from tests.proofs import rounds

AT = datetime(2026, 11, 2, 8, 30, tzinfo=UTC)


def evaluate(text: str, at: datetime = AT, timezone: str | None = None, **profile: Any) -> ConditionOutcome:
    person = {"created_at": datetime(2026, 10, 1, tzinfo=UTC), "traits": {}} | profile
    return compile_condition(text, ExpressionScope.BRANCH_WHEN).evaluate(EvaluationTime(at, timezone), profile=person)


def instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("text", "at", "holds", "changes_at"),
    [
        ("within(profile.traits.at, '1d')", "2026-11-02T08:00:00Z", True, "2026-11-03T08:00:00Z"),
        ("within(profile.traits.at, '1d')", "2026-11-01T08:30:00Z", False, None),
        ("within(profile.traits.at, '1d')", "2026-11-02T08:30:00Z", True, "2026-11-03T08:30:00Z"),
        ("within(profile.traits.at, '1d')", "2026-11-02T09:00:00Z", False, "2026-11-02T09:00:00Z"),
        ("within(profile.traits.at, '-3d')", "2026-11-04T08:00:00Z", True, "2026-11-04T08:00:00Z"),
        ("within(profile.traits.at, '-3d')", "2026-11-05T08:30:00Z", True, "2026-11-05T08:30:00Z"),
        ("within(profile.traits.at, '-3d')", "2026-11-06T08:00:00Z", False, "2026-11-03T08:00:00Z"),
        ("within(profile.traits.at, '-3d')", "2026-11-02T08:30:00Z", False, None),
        ("within(profile.traits.at, '2d')", "2026-11-01", True, "2026-11-02T23:00:00Z"),
        ("within(profile.traits.at, '1d')", 1793606400, True, "2026-11-03T08:00:00Z"),
        ("within(profile.traits.at, '1d')", None, False, None),
        ("known_for('31d')", None, True, None),
        ("known_for('40d')", None, False, "2026-11-10T00:00:00Z"),
        ("anniversary(profile.traits.at)", "2001-11-02", True, "2026-11-02T23:00:00Z"),
        ("anniversary(profile.traits.at)", "2001-11-03", False, "2026-11-02T23:00:00Z"),
        ("anniversary(profile.traits.at)", "2001-11-01", False, "2027-10-31T23:00:00Z"),
        ("anniversary(profile.traits.at)", "2026-11-02", False, "2027-11-01T23:00:00Z"),
        ("anniversary(profile.traits.at)", "2027-01-01", False, "2027-12-31T23:00:00Z"),
        ("anniversary(profile.traits.at)", "2000-02-29", False, "2027-02-27T23:00:00Z"),
        ("anniversary(profile.traits.at)", "2001-11-01T23:30:00Z", True, "2026-11-02T23:00:00Z"),
        ("anniversary(profile.traits.at)", "9999-01-01", False, None),
        ("anniversary(profile.traits.at)", None, False, None),
    ],
)
def test_an_answer_notes_when_it_changes(text: str, at: object, holds: bool, changes_at: str | None) -> None:
    outcome = evaluate(text, traits={"at": at, "timezone": "Europe/Vienna"})
    assert outcome == ConditionOutcome(holds, changes_at=instant(changes_at))


@pytest.mark.parametrize(
    ("text", "changes_at"),
    [
        ("known_for('40d') || within(profile.traits.at, '1d')", "2026-11-03T08:00:00Z"),
        ("known_for('40d') && within(profile.traits.at, '1d')", "2026-11-10T00:00:00Z"),
        ("known_for('31d') && profile.traits.plan == 'pro'", None),
        ("!within(profile.traits.at, '1d') && profile.traits.plan == 'pro'", "2026-11-03T08:00:00Z"),
    ],
)
def test_the_earliest_of_the_evaluated_parts_counts(text: str, changes_at: str | None) -> None:
    traits = {"at": "2026-11-02T08:00:00Z", "plan": "pro"}
    assert evaluate(text, traits=traits).changes_at == instant(changes_at)


@pytest.mark.parametrize(
    ("trait", "device", "campaign", "holds"),
    [
        ("Pacific/Auckland", "America/New_York", "America/New_York", True),
        (None, "Pacific/Auckland", "America/New_York", True),
        (None, None, "Pacific/Auckland", True),
        (None, None, None, False),
    ],
)
def test_a_day_is_that_of_the_person(trait: str | None, device: str | None, campaign: str | None, holds: bool) -> None:
    text, traits = "anniversary('1990-11-03')", {} if trait is None else {"timezone": trait}
    at = datetime(2026, 11, 2, 20, tzinfo=UTC)
    assert evaluate(text, at, campaign, traits=traits, context={"timezone": device}).holds is holds


def test_a_value_that_is_no_time_is_an_error_without_the_value() -> None:
    for value in ("soon", True, 3, "2" * 200, [1]):
        for text in ("within(profile.traits.at, '1d')", "anniversary(profile.traits.at)"):
            outcome = evaluate(text, traits={"at": value})
            assert outcome == ConditionOutcome(False, "a value is not a date or time")
    assert evaluate("within(profile.traits.at, '1d')").missing == "profile.traits.at"
    assert evaluate("within(profile.traits.at, '366d')", traits={"at": "9999-12-31"}).error == "a date is out of range"


@pytest.mark.parametrize(
    ("text", "message", "suggestion"),
    [
        ("within(profile.traits.at, '14')", "`14` is not a duration", "`14d`"),
        ("within(profile.traits.at, '0d')", "`0d` is out of bounds", "from 1s to 366d"),
        ("within(profile.traits.at, '400d')", "`400d` is out of bounds", "from 1s to 366d"),
        ("within(profile.traits.at, profile.traits.span)", "not a text in quotes", "`'14d'`"),
        ("known_for('-7d')", "`-7d` is not a duration", "Write a whole number"),
        ("within(3, '7d')", "`within` does not apply to (number, string)", ""),
        ("profile.created_at > now", "`now` is not known", "`within(…, '14d')`"),
        ("today() == profile.traits.at", "`today` is not known", "`within(…, '14d')`"),
        ("withn(profile.traits.at, '7d')", "`withn` is not known", "Did you mean `within`?"),
    ],
)
def test_a_mistake_is_refused_with_a_remedy(text: str, message: str, suggestion: str) -> None:
    with pytest.raises(ConditionError) as caught:
        compile_condition(text, ExpressionScope.BRANCH_WHEN)
    assert message in caught.value.message
    assert suggestion in caught.value.suggestion


def test_no_outcome_changes_before_it_is_noted() -> None:
    draw = Random(4)
    parts = ["within(profile.traits.a, '{}')", "anniversary(profile.traits.b)", "known_for('{}')", "profile.traits.c"]
    zones = ["Europe/Vienna", "Pacific/Apia", "America/Santiago", "Asia/Kathmandu"]
    changed = 0
    for _ in range(rounds(150, 5_000)):
        chosen = [
            draw.choice(["", "!"]) + draw.choice(parts).format(draw.choice(["36h", "-3d", "30d"])) for _ in range(3)
        ]
        text = f"({chosen[0]} {draw.choice(['&&', '||'])} {chosen[1]}) {draw.choice(['&&', '||'])} {chosen[2]}"
        if "known_for('-3d')" in text:
            continue
        zone = draw.choice(zones)
        local = datetime(2011, 1, 1) + timedelta(minutes=draw.randrange(366 * 1440))
        traits = {
            "a": draw.choice([local.isoformat(), local.date().isoformat(), local.replace(tzinfo=UTC).isoformat()]),
            "b": local.date().replace(year=draw.choice([2000, 2010, 2011])).isoformat(),
            "c": draw.random() < 0.5,
            "timezone": zone,
        }
        at = local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) + timedelta(hours=draw.randrange(-90, 90))
        created = at - timedelta(hours=draw.randrange(40))
        for _ in range(3):
            outcome = evaluate(text, at, traits=traits, created_at=created)
            end = outcome.changes_at or at + timedelta(days=500)
            assert end > at
            for share in (draw.random(), draw.random()):
                assert evaluate(text, at + (end - at) * share, traits=traits, created_at=created).holds == outcome.holds
            just_before = evaluate(text, end - timedelta(microseconds=1), traits=traits, created_at=created)
            assert just_before.holds == outcome.holds
            changed += evaluate(text, end, traits=traits, created_at=created).holds != outcome.holds
            at = end
    assert changed > 50
