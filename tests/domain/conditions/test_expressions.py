import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domain.conditions.expressions import (
    MAX_VALUE_BYTES,
    ConditionError,
    ConditionOutcome,
    ExpressionScope,
    compile_condition,
    compile_key,
    compile_value,
)
from domain.tracking.event import Event
from tests.domain.conditions.times import NOW
from tests.proofs import rounds

AT = datetime(2026, 11, 2, 8, 30, tzinfo=UTC)


def event(**properties: Any) -> Event:
    return Event(
        id=UUID(int=1),
        message_id="m1",
        type="track",
        name="Cart Abandoned",
        user_id="u1",
        anonymous_id=None,
        properties=properties,
        context={"locale": "de-AT"},
        timestamp=AT,
    )


def holds(text: str, **properties: Any) -> bool:
    return compile_condition(text, ExpressionScope.ENTRY_WHERE).holds(NOW, event=event(**properties), profile=None)


@pytest.mark.parametrize(
    ("text", "properties", "expected"),
    [
        ("event.properties.value > 100", {"value": 120.5}, True),
        ("event.properties.value > 100", {"value": 101}, True),
        ("event.properties.value > 100", {"value": 100}, False),
        ("event.properties.value > 99.5", {"value": 100}, True),
        ("event.properties.tier in ['gold', 'silver']", {"tier": "gold"}, True),
        ("event.properties.items.exists(i, i.price > 50)", {"items": [{"price": 10}, {"price": 60}]}, True),
        ("event.context.locale.startsWith('de')", {}, True),
        ("event.timestamp.getDayOfWeek() == 1", {}, True),
        ("event.timestamp > timestamp('2026-11-01T00:00:00Z')", {}, True),
        ("event.timestamp - duration('24h') < timestamp('2026-11-02T00:00:00Z')", {}, True),
        ("event.anonymous_id == null && event.user_id == 'u1'", {}, True),
        ("has(event.properties.coupon)", {}, False),
        ("!has(event.properties.coupon)", {}, True),
        ("event.properties.name.matches('^[A-Z]+$')", {"name": "ABC"}, True),
        ("event.properties.subscribed", {"subscribed": True}, True),
        ("event.properties['cart id'] == 'x'", {"cart id": "x"}, True),
        ("event.properties.items.exists(event, event == 1)", {"items": [1]}, True),
    ],
)
def test_conditions_hold_or_do_not(text: str, properties: dict[str, Any], expected: bool) -> None:
    assert holds(text, **properties) is expected


@pytest.mark.parametrize(
    ("text", "properties", "error"),
    [
        ("event.properties.value > 100", {}, "there is no event.properties.value"),
        ("event.properties.value > 100", {"value": "120"}, "`>` cannot take a text and a whole number"),
        ("event.properties.value > 100", {"value": None}, "`>` cannot take null and a whole number"),
        ("event.properties.value.deeper == 1", {"value": 3}, "a value that has no fields was asked for one"),
        ("event.properties.value.startsWith('a')", {"value": [1]}, "`startsWith` cannot take a list and a text"),
        ("event.properties.value.matches('a')", {"value": 1}, "`matches` cannot take a whole number and a text"),
        ("'a' in event.properties.value", {"value": 1}, "`in` cannot take these values"),
        ("event.properties.value / 0 == 1", {"value": 1}, "divide by zero"),
        ("event.properties.value + 9223372036854775807 > 1", {"value": 1}, "overflow"),
        ("event.properties.value", {"value": "yes"}, "a text, not true or false"),
        ("event.properties.value", {"value": None}, "null, not true or false"),
        ("profile.traits.plan == 'pro'", {}, "there is no profile.traits"),
        ("event.properties.a.all(x, event.properties.a.all(y, true))", {"a": [0] * 1_000}, "units of work"),
        ("event.properties.a.size() > 0", {"a": [0] * 1_001}, "there is no event.properties.a"),
        ("timestamp(event.properties.at) > event.timestamp", {"at": "soon"}, ""),
    ],
)
def test_what_cannot_be_evaluated_does_not_hold_and_says_why(text: str, properties: dict[str, Any], error: str) -> None:
    outcome = compile_condition(text, ExpressionScope.ENTRY_WHERE).evaluate(
        NOW, event=event(**properties), profile=None
    )
    assert not outcome.holds
    assert outcome.error is not None
    assert error in outcome.error
    assert len(outcome.error) <= 300


def test_a_value_that_cannot_be_looked_at_harms_no_other() -> None:
    assert holds("event.properties.value > 100", value=120, huge=2**70, long=[0] * 5_000, name="\ud800", odd={1})


def test_a_number_is_the_same_before_and_after_the_database() -> None:
    """PostgreSQL gives 1e20 back as an integer."""
    condition = compile_condition("event.properties.cart_id == entry.properties.cart_id", ExpressionScope.EXIT_WHERE)
    assert condition.holds(NOW, event=event(cart_id=1e20), entry=event(cart_id=10**20))
    assert holds("event.properties.value > 100", value=10**20)


def test_what_is_missing_does_not_matter_where_it_is_not_needed() -> None:
    condition = compile_condition("event.properties.vip || profile.traits.vip", ExpressionScope.ENTRY_WHERE)
    assert condition.evaluate(NOW, event=event(vip=True), profile=None) == ConditionOutcome(True)
    assert condition.holds(NOW, event=event(), profile=SimpleNamespace(traits={"vip": True}))


def test_roots_are_objects_or_mappings() -> None:
    condition = compile_condition("profile.traits.plan == entry.properties.plan", ExpressionScope.BRANCH_WHEN)
    assert condition.holds(NOW, profile={"traits": {"plan": "pro"}}, entry=event(plan="pro"))


def test_a_branch_sees_the_journey() -> None:
    journey = {"steps": {"cool-off": 1}, "messages": {"nudge": "sent"}, "entered_at": AT - timedelta(days=2)}
    for text in (
        "journey.steps['cool-off'] == 1",
        "journey.messages.nudge == 'sent'",
        "journey.entered_at < entry.timestamp",
    ):
        assert compile_condition(text, ExpressionScope.BRANCH_WHEN).holds(
            NOW, journey=journey, entry=event(), profile=None
        ), text


def test_a_compiled_expression_is_kept() -> None:
    assert compile_condition("event.type == 'track'", ExpressionScope.ENTRY_WHERE) is compile_condition(
        "event.type == 'track'", ExpressionScope.ENTRY_WHERE
    )


@pytest.mark.parametrize(
    ("text", "place", "message", "suggestion"),
    [
        (
            "event.propertis.x == 1",
            ExpressionScope.ENTRY_WHERE,
            "`event` has no field `propertis`",
            "Did you mean `properties`?",
        ),
        ("evnt.properties.x == 1", ExpressionScope.ENTRY_WHERE, "`evnt` is not known", "Did you mean `event`?"),
        ("entry.properties.x == 1", ExpressionScope.ENTRY_WHERE, "`entry` is not known here", "event, profile"),
        ("event.type == 'x'", ExpressionScope.BRANCH_WHEN, "`event` is not known here", "the user in is `entry`"),
        ("journey.steps.x > 0", ExpressionScope.EXIT_WHERE, "`journey` is not known here", "event, entry, profile"),
        (
            "event.cart_id == 'x'",
            ExpressionScope.ENTRY_WHERE,
            "no field `cart_id`",
            "Did you mean `event.properties.cart_id`?",
        ),
        ("profile.vip == true", ExpressionScope.BRANCH_WHEN, "no field `vip`", "Did you mean `profile.traits.vip`?"),
        (
            "properties.x == 1",
            ExpressionScope.EXIT_WHERE,
            "`properties` is not known",
            "Did you mean `event.properties.x`?",
        ),
        ("traits.x == 1", ExpressionScope.VALUE, "`traits` is not known", "Did you mean `profile.traits.x`?"),
        (
            "cart_id == 1",
            ExpressionScope.WAIT_WHERE,
            "`cart_id` is not known",
            "Did you mean `event.properties.cart_id`?",
        ),
        ("vip == true", ExpressionScope.BRANCH_WHEN, "`vip` is not known", "Did you mean `profile.traits.vip`?"),
        ("fetch(event.type) == 1", ExpressionScope.ENTRY_WHERE, "`fetch` is not known", "Known here: event, profile"),
        ("journey.arms.of-fer == 'x'", ExpressionScope.BRANCH_WHEN, "read as a subtraction", "journey.arms['of-fer']"),
        (
            "journey.messages.a.opened",
            ExpressionScope.BRANCH_WHEN,
            "a string has no fields",
            "Compare the string itself",
        ),
        ("event['properties'].x == 1", ExpressionScope.EXIT_WHERE, "not a value of its own", "`event.properties`"),
        ("event.message_id > 3", ExpressionScope.WAIT_WHERE, "`>` does not apply to (string, number)", "quotes"),
        ("event.timestamp > '2026-01-01'", ExpressionScope.WAIT_WHERE, "(timestamp, string)", "timestamp('2026"),
        ('in_area("storm-12")', ExpressionScope.AUDIENCE_WHERE, "another number of arguments", "in_area(profile, "),
        ("known_for(7)", ExpressionScope.AUDIENCE_WHERE, "does not apply to (number)", 'Write `known_for("14d")`'),
        ("size() > 1", ExpressionScope.WAIT_WHERE, "`size` takes another number of arguments", "list of functions"),
        ("sizes(event.properties) > 1", ExpressionScope.WAIT_WHERE, "`sizes` is not known", "Did you mean `size`?"),
        (
            "journey.steps.cool-off > 0",
            ExpressionScope.BRANCH_WHEN,
            "read as a subtraction",
            "journey.steps['cool-off']",
        ),
        ("event.properties.x = 1", ExpressionScope.ENTRY_WHERE, "column 20", "`==`"),
        ("event.properties.x == 1 and true", ExpressionScope.ENTRY_WHERE, "column 25", "`&&`"),
        ("event.properties.x ==\n'a", ExpressionScope.ENTRY_WHERE, "line 2, column 1", "straight quotes"),
        ("size(event.properties)", ExpressionScope.ENTRY_WHERE, "this is int", "Compare it"),
        ("'yes'", ExpressionScope.ENTRY_WHERE, "this is string", "Compare it"),
        ("has(event.user_id)", ExpressionScope.ENTRY_WHERE, "always there", "`event.user_id != null`"),
        ("event.properties.x.matches('(')", ExpressionScope.ENTRY_WHERE, "missing )", "RE2"),
        ("  ", ExpressionScope.ENTRY_WHERE, "empty", "leave the line out"),
        ("(" * 40 + "true" + ")" * 40, ExpressionScope.ENTRY_WHERE, "recursion limit", "less nested"),
        ("true || " * 300 + "true", ExpressionScope.ENTRY_WHERE, "2,404 characters", "within 2,000"),
        ("event.properties.x == '\\ud800'", ExpressionScope.ENTRY_WHERE, "Illegal escape", "CEL writes"),
        ("event.properties.x == 1\0", ExpressionScope.ENTRY_WHERE, "", ""),
    ],
)
def test_mistakes_are_found_when_published(text: str, place: ExpressionScope, message: str, suggestion: str) -> None:
    with pytest.raises(ConditionError) as caught:
        compile_condition(text, place)
    assert message in caught.value.message
    assert suggestion in caught.value.suggestion


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("cart-1", "cart-1"),
        (42, "42"),
        (42.0, "42"),
        (1.5, "1.5"),
        (1e20, "100000000000000000000"),
        (1e-7, "0.0000001"),
        (10**20, "100000000000000000000"),
        (True, "true"),
        (None, None),
        ("", None),
        ("x" * 256, None),
        ("a\0b", "a\ufffdb"),
        (float("nan"), None),
        (float("inf"), None),
        ([1], None),
        ({"a": 1}, None),
    ],
)
def test_a_key_is_a_text_or_there_is_none(value: Any, key: str | None) -> None:
    found = compile_key("event.properties.id").evaluate(NOW, event=event(id=value))
    assert found.value == key
    assert (found.error is None) == (key is not None)


def test_a_missing_key_says_so() -> None:
    key = compile_key("event.properties.id")
    assert key.value(NOW, event=event()) is None
    assert "there is no event.properties.id" in str(key.evaluate(NOW, event=event()).error)


@pytest.mark.parametrize("text", ["event.properties.x == 1", "[1]", "event.timestamp", "event.properties"])
def test_a_key_must_be_text_or_whole_number(text: str) -> None:
    with pytest.raises(ConditionError, match="a key is a text or a whole number"):
        compile_key(text)


@pytest.mark.parametrize(
    "text",
    [
        "event.properties.big.map(a, event.properties.big.map(b, [a, b])).size() == 1",
        "event.properties.big.all(a, event.properties.big.all(b, event.properties.big.all(c, true)))",
        "event.properties.big.all(a, size(event.properties.big + event.properties.big) > 1)",
        "event.properties.big.all(a, event.properties.text.matches('(a|b|ab)*c'))",
    ],
)
def test_no_event_makes_a_condition_hang(text: str) -> None:
    condition = compile_condition(text, ExpressionScope.ENTRY_WHERE)
    start = time.process_time()
    condition.evaluate(NOW, event=event(big=list(range(1_000)), text="ab" * 8_000))
    assert time.process_time() - start < 5


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), _json))
@settings(max_examples=40)
def test_no_data_makes_an_evaluation_raise(properties: dict[str, Any]) -> None:
    for text in (
        "event.properties.a > event.properties.b",
        "event.properties.a == event.properties.b || event.properties.c.x in event.properties.a",
        "event.properties.exists(k, event.properties[k] == 'x')",
        "string(event.properties.a).matches('^a.*b')",
    ):
        outcome = compile_condition(text, ExpressionScope.ENTRY_WHERE).evaluate(NOW, event=event(**properties))
        assert isinstance(outcome.holds, bool)
    key = compile_key("event.properties.a").evaluate(NOW, event=event(**properties))
    assert (key.value is None) == (key.error is not None)


_literals = st.recursive(
    st.sampled_from(
        [
            *(
                "null",
                "true",
                "0",
                "-0",
                "0x7f",
                "1u",
                "9223372036854775807",
                "-9223372036854775808",
                "9223372036854775808",
            ),
            *("1.5", "-1.5", ".5", "1e999", "''", "'a'", "b'a'", r"b'\xff'", r"'\ud800'", r"'\x00'", r"r'\\'"),
            *("int", "type(1)", "timestamp(0)", "duration('1s')", "google.protobuf.Any{}", "google.protobuf.Struct{}"),
            *("google.protobuf.StringValue{value: 'a'}", "event.properties.a", "event.`properties`.a", "{}", "[]"),
        ]
    ),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=2).map(lambda items: f"[{', '.join(items)}]"),
        st.tuples(inner, inner).map(lambda pair: f"{{{pair[0]}: {pair[1]}}}"),
        st.tuples(inner, st.sampled_from(["==", "+", "in", "&&", "<"]), inner).map(
            lambda parts: f"({' '.join(parts)})"
        ),
        st.tuples(inner, inner).map(lambda pair: f"{pair[0]}[{pair[1]}]"),
        inner.map(lambda item: f"dyn({item})"),
        inner.map(lambda item: f"[1].map(x, {item})"),
        st.tuples(inner, st.integers(2, 20)).map(
            lambda nested: f"{'[1].map(x, ' * nested[1]}{nested[0]}{')' * nested[1]}"
        ),
    ),
    max_leaves=6,
)


@pytest.mark.prove
@given(_literals)
@settings(max_examples=rounds(100, 3000))
@example("{null: 1}")
@example("[1].map(x, " * 16 + "1" + ")" * 16)
def test_odd_literals_are_refused_in_words_or_evaluated(text: str) -> None:
    compiled: list[Callable[[], Any]] = [
        lambda: compile_condition(text, ExpressionScope.ENTRY_WHERE).evaluate(NOW, event=event(a=1)),
        lambda: compile_key(text).evaluate(NOW, event=event(a=1)),
        lambda: compile_value(text, ExpressionScope.VALUE).evaluate(NOW),
    ]
    for compile_and_evaluate in compiled:
        try:
            compile_and_evaluate()
        except ConditionError as error:
            said = (error.message, error.suggestion)
        else:
            continue
        assert all(said)


@pytest.mark.parametrize("text", [r"'a\u0000b'", r"['a', '\x00']", r"{'a\u0000': 1}", r"'a' + string(b'\000')"])
def test_a_value_holds_nothing_that_a_database_could_not_store(text: str) -> None:
    value, error, _ = compile_value(text, ExpressionScope.VALUE).evaluate(NOW)
    assert value is None
    assert error is not None
    assert r"\u0000" in error


def test_a_key_holds_nothing_that_a_database_could_not_store() -> None:
    key, error, _ = compile_key(r"event.properties.shop + '\u0000' + event.properties.cart").evaluate(
        NOW, event=event(shop="a", cart="b"), profile=None
    )
    assert key is None
    assert error is not None
    assert r"\u0000" in error


def test_a_value_does_not_grow_beyond_all_bounds() -> None:
    double = compile_value("profile.traits.text + profile.traits.text", ExpressionScope.VALUE)
    half = "x" * (MAX_VALUE_BYTES // 2 - 1)
    assert double.evaluate(NOW, profile={"traits": {"text": half}}).value == half * 2
    value, error, _ = double.evaluate(NOW, profile={"traits": {"text": half + "x"}})
    assert value is None
    assert error == "a value of 32,770 bytes cannot be kept: 32,768 can"


def test_a_text_in_quotes_that_looks_like_a_call_stays() -> None:
    note = "in_area(profile, x) and in_area( profile ,"
    person = {"traits": {"note": note}, "areas": ["storm"]}
    text = f"""profile.traits.note == '{note}' && in_area(profile, "storm") // in_area(profile, y)"""
    assert compile_condition(text, ExpressionScope.SEGMENT_WHERE).holds(NOW, profile=person)
