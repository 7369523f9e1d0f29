"""The parts of conditions with their values: put together they give the whole."""

from datetime import UTC, datetime, timedelta
from random import Random, randrange
from typing import Any

import pytest

from domain.conditions.expressions import EvaluationTime, ExpressionScope, Prepared, compile_condition
from domain.people.account_view import NO_ACCOUNT
from domain.people.segments.explanation import (
    ExplainedPart,
    FlippedPart,
    Roots,
    explain_condition,
    find_flipped,
)
from tests.proofs import rounds

AT = datetime(2026, 11, 2, 8, 30, tzinfo=UTC)
ATOMS = (
    *("profile.traits.on", "profile.traits.off", "profile.traits.absent", "profile.traits.plan"),
    *("true", "false", "profile.traits.plan == 'pro'", "profile.traits.plan == '&& ||'", "profile.traits.size > 5.5"),
    *("has(profile.traits.absent)", "profile.user_id != null", "known_for('3d')", "profile.traits.size > 'x'"),
    *("profile.traits.list.exists(x, x > 1 && !(x > 2))", "(profile.traits.on ? false : profile.traits.absent)"),
    *("profile.computed.orders >= 2", "profile.computed.unknown == 1", "'vip' in profile.segments"),
)


def roots(at: datetime = AT, **more: Any) -> Roots:
    person = {
        "user_id": "u1",
        "created_at": AT - timedelta(days=2),
        "traits": {"on": True, "off": False, "plan": "pro", "size": 7, "list": [1, 2, 3]},
        "computed": {"orders": 3},
        "segments": ["vip"],
    }
    return Roots(Prepared(person | more), Prepared(NO_ACCOUNT), EvaluationTime(at), None)


def draw_condition(draw: Random, depth: int) -> str:
    """Draw a condition, with brackets and spaces as authors may write them."""
    if depth == 0 or draw.random() < 0.25:
        return draw.choice(ATOMS)
    one = draw_condition(draw, depth - 1)
    match draw.choice(("&&", "||", "!", "(")):
        case "!":
            return f"{draw.choice(('!', '! ', '!!'))}({one})"
        case "(":
            return f"( {one} )"
        case sign:
            other = draw_condition(draw, depth - 1)
            is_bare = sign == "||" or draw.random() < 0.3
            one, other = (one, other) if is_bare else (f"({one})", f"({other})")
            return f"{one}{draw.choice((' ', '', ' // why && not'))}\n{sign} {other}"


def test_the_parts_put_together_give_the_whole() -> None:
    seed = randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    draw = Random(seed)
    data = roots()
    values: list[bool | None] = []
    for _ in range(rounds(1_500, 40_000)):
        text = draw_condition(draw, 4)
        if len(text) > 2_000:
            continue
        whole = compile_condition(text, ExpressionScope.SEGMENT_WHERE).evaluate(
            data.time, None, profile=data.profile, account=data.account
        )
        explained = explain_condition(text, data)
        assert explained.value is (whole.holds if whole.error is None else None), text
        values.append(explained.value)
    assert {True, False, None} == set(values)


def explain(text: str, at: datetime = AT, **more: Any) -> ExplainedPart:
    return explain_condition(text, roots(at, **more))


def test_each_part_has_its_value_what_it_read_and_why_it_failed() -> None:
    explained = explain("profile.computed.orders >= 5 && !(profile.traits.plan == 'pro' || profile.traits.absent == 1)")
    orders, negated = explained.parts
    plan, absent = negated.parts[0].parts
    assert explained.value is False
    assert (orders.text, orders.value, orders.reads) == (
        "profile.computed.orders >= 5",
        False,
        {"profile.computed.orders": 3},
    )
    assert (negated.kind, negated.value) == ("not", False)
    assert (plan.value, plan.reads) == (True, {"profile.traits.plan": "pro"})
    assert (absent.value, absent.error) == (None, "there is no profile.traits.absent")


def test_functions_show_what_they_read() -> None:
    known, inside = explain('known_for("3d") || in_area(profile, "storm-12")', areas=["hamburg"]).parts
    assert known.reads == {"profile.created_at": AT - timedelta(days=2)}
    assert (inside.value, inside.reads) == (False, {"profile.areas": ["hamburg"]})


def test_a_long_text_is_cut() -> None:
    [read] = explain("profile.traits.plan == 'pro'", traits={"plan": "x" * 200}).reads.values()
    assert read == "x" * 80 + "…"


@pytest.mark.parametrize(
    ("text", "changes_at"),
    [
        ("known_for('3d')", AT + timedelta(days=1)),
        ("known_for('1d')", None),
        ("!known_for('7d') || profile.user_id != null", AT + timedelta(days=5)),
        ("known_for('7d') && !known_for('3d')", AT + timedelta(days=1)),
    ],
)
def test_it_says_when_time_may_change_it(text: str, changes_at: datetime | None) -> None:
    assert explain(text).changes_at == changes_at


def test_a_computed_trait_changes_by_time_as_well() -> None:
    later = AT + timedelta(hours=1)

    def next_change(computed: frozenset[str]) -> datetime | None:
        return later if "orders" in computed else None

    explained = explain_condition("profile.computed.orders > 1 && known_for('3d')", roots(), next_change)
    assert [part.changes_at for part in explained.parts] == [later, AT + timedelta(days=1)]
    assert explained.changes_at == later


def test_the_flipped_parts_are_those_with_another_value() -> None:
    text = "!known_for('3d') && ('vip' in profile.segments || profile.traits.on)"
    before, after = explain(text), explain(text, AT + timedelta(days=1), segments=[])
    assert find_flipped(before, after) == [
        FlippedPart("known_for('3d')", True),
        FlippedPart("'vip' in profile.segments", False),
    ]
    assert find_flipped(after, after) == []
