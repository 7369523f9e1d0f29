"""Computed traits in conditions: their values, and their types at publication."""

from datetime import UTC, datetime
from typing import Any

import pytest

from domain.conditions.expressions import (
    ConditionError,
    ConditionOutcome,
    ExpressionScope,
    check_names,
    compile_condition,
    compile_value,
)
from domain.deployed_names import DeployedNames
from domain.people.computed.definition import TraitType
from tests.domain.conditions.times import NOW

ORDERED_AT = datetime(2026, 11, 1, 8, tzinfo=UTC)
COMPUTED: dict[str, Any] = {
    **{"orders": 3, "spent": 42.0, "least": None, "last_at": ORDERED_AT, "first_at": None},
    **{"active": True, "topic": "rust", "topics": ["rust", 1], "code": 7},
    "by_topic": {"rust": 5},
}
TYPES: dict[str, TraitType] = {
    **{"orders": "int", "spent": "double", "least": "double", "last_at": "timestamp", "first_at": "timestamp"},
    **{"active": "bool", "topic": "dyn", "topics": "dyn", "code": "dyn"},
    "by_topic": "counts",
}


def evaluate(text: str, computed: dict[str, Any] | None = None) -> ConditionOutcome:
    condition = compile_condition(text, ExpressionScope.BRANCH_WHEN)
    return condition.evaluate(NOW, profile={"computed": COMPUTED if computed is None else computed, "traits": {}})


@pytest.mark.parametrize(
    "text",
    [
        "profile.computed.orders >= 3 && profile.computed.orders == 3",
        "profile.computed.spent > 41 && profile.computed.spent == 42",
        "profile.computed.spent / 5 > 8.3",
        "profile.computed.spent / profile.computed.orders == 14.0",
        "profile.computed.least == null",
        "profile.computed.last_at > timestamp('2026-11-01T00:00:00Z')",
        "profile.computed.last_at.getFullYear() == 2026",
        "profile.computed.first_at == null && profile.computed.last_at != null",
        "within(profile.computed.last_at, '2d') && !within(profile.computed.first_at, '2d')",
        "profile.computed.active",
        "profile.computed.topic == 'rust' && 'rust' in profile.computed.topics",
        "profile.computed.topics.size() == 2",
        "profile.computed.code == 7",
        "profile.computed.by_topic['rust'] == 5 && profile.computed.by_topic[profile.computed.topic] == 5",
        "!('go' in profile.computed.by_topic) && profile.computed.by_topic.exists(t, profile.computed.by_topic[t] > 4)",
        "[profile.computed.last_at].exists(t, t != null)",
    ],
)
def test_a_computed_trait_has_its_own_type(text: str) -> None:
    check_names(text, ExpressionScope.BRANCH_WHEN, DeployedNames(TYPES, ()))
    assert evaluate(text)[:2] == (True, None)


@pytest.mark.parametrize(
    ("text", "message", "suggestion"),
    [
        ("profile.computed.order > 3", "there is no computed trait `order`", "Did you mean `orders`?"),
        ("profile.computed.zzz > 3", "there is no computed trait `zzz`", "apply that first"),
        ("profile.computed.orders == 'a'", "`==` does not apply to (number, string)", ""),
        ("profile.computed.orders == null", "`==` does not apply", ""),
        ("profile.computed.orders", "a condition is true or false, and this is int", "Compare it"),
        ("profile.computed.active > 1", "`>` does not apply to (bool, number)", ""),
        ("profile.computed.last_at > 5", "`>` does not apply to (timestamp, number)", ""),
        ("profile.computed.last_at > profile.traits.at", "is never a timestamp", "timestamp(profile.traits.at)"),
        ("within(profile.computed.orders, '3d')", "`within` does not apply to (number, string)", ""),
        ("anniversary(profile.computed.active)", "`anniversary` does not apply to (bool)", ""),
        ("profile.computed['orders'] > 3", "`profile.computed` is not a value of its own", "orders, spent"),
        ("profile.computed.by_topic == 5", "`==` does not apply to (map", ""),
        ("profile.computed.by_topic['rust'] == 'many'", "`==` does not apply to (number, string)", ""),
        ("profile.computed.orders.x == 1", "a int has no fields", ""),
    ],
)
def test_a_mistake_is_refused_where_the_types_are_known(text: str, message: str, suggestion: str) -> None:
    with pytest.raises(ConditionError) as caught:
        check_names(text, ExpressionScope.BRANCH_WHEN, DeployedNames(TYPES, ()))
    assert message in caught.value.message
    assert suggestion in caught.value.suggestion


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("has(profile.computed.orders)", "`profile.computed.orders` is always there"),
        ("profile.computed['orders'] > 3", "`profile.computed` is not a value of its own"),
        ("profile.computed == null", "`profile.computed` is not a value of its own"),
        ("profile.orders > 3", "`profile` has no field `orders`"),
    ],
)
def test_a_trait_is_named_by_its_key(text: str, message: str) -> None:
    with pytest.raises(ConditionError, match=message.replace(".", r"\.")):
        compile_condition(text, ExpressionScope.BRANCH_WHEN)


def test_a_trait_that_is_not_there_yet_is_an_error() -> None:
    outcome = evaluate("profile.computed.orders < 3", {})
    assert outcome.error is not None
    assert outcome.error.startswith("there is no profile.computed.orders")
    assert evaluate("profile.computed.active || profile.computed.orders < 3", {"active": True}).holds


def test_a_condition_says_which_traits_it_reads() -> None:
    text = "profile.computed.orders > 1 || profile.computed.active && profile.traits.computed == 'profile.computed.x'"
    assert compile_condition(text, ExpressionScope.BRANCH_WHEN).computed == {"orders", "active"}


def test_a_computed_value_can_be_used() -> None:
    found = compile_value("profile.computed.last_at", ExpressionScope.DELAY_DATE)
    assert found.evaluate(NOW, profile={"computed": COMPUTED}).value == ORDERED_AT
    spent = compile_value("profile.computed.spent * 2.0", ExpressionScope.VALUE)
    assert spent.evaluate(NOW, profile={"computed": COMPUTED}).value == 84
