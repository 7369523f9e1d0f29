"""Numbers in conditions are of one kind: a whole number is exact, and promoted only where it meets a decimal."""

import json
import operator
from fractions import Fraction
from math import inf, isfinite
from random import Random
from typing import Any

import pytest

from domain.conditions.cel_numbers import unify
from domain.conditions.expressions import ConditionError, ExpressionScope, compile_condition, compile_key, compile_value
from domain.sending.caps_document import parse_caps
from tests.domain.conditions.times import NOW
from tests.proofs import rounds

SEED, CASES = 11, rounds(600, 20_000)
Number = int | float
_INT64 = range(-(2**63), 2**63)
_COMPARISONS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class NotEvaluated(Exception):
    """Over 64 bits, or a division of whole numbers by zero."""


def canonical(number: Number) -> Number:
    """A number as conditions see it, however JSON or PostgreSQL has written it."""
    whole = isinstance(number, int) or (isfinite(number) and number == int(number))
    return int(number) if whole and int(number) in _INT64 else float(number)


def rounded(exact: Fraction) -> float:
    try:
        return float(exact)
    except OverflowError:
        return inf if exact > 0 else -inf


def calculated(sign: str, left: Number, right: Number) -> Number:
    """By exact rational arithmetic, rounded once where one of the two is a decimal."""
    if isinstance(left, int) and isinstance(right, int):
        if sign == "/":
            if right == 0:
                raise NotEvaluated
            size = abs(left) // abs(right)
            found = size if (left < 0) == (right < 0) else -size
        else:
            found = {"+": left + right, "-": left - right, "*": left * right}[sign]
        if found not in _INT64:
            raise NotEvaluated
        return found
    one, other = float(left), float(right)
    if not (isfinite(one) and isfinite(other)) or (sign == "/" and other == 0):
        # Beyond rational numbers it is IEEE 754 that holds, and no order of conditions depends on it.
        raise OverflowError
    a, b = Fraction(one), Fraction(other)
    return rounded({"+": a + b, "-": a - b, "*": a * b}[sign] if sign != "/" else a / b)


class Maker:
    """Random expressions over `event.properties`, with what each comes to."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.properties: dict[str, Number] = {}

    def number(self) -> Number:
        kind = self._random.randrange(6)
        if kind == 0:
            return self._random.choice([0, 1, 2, 42, -7, 2**53, 2**53 + 1, -(2**53) - 1, 2**62, 2**63 - 1])
        if kind == 1:
            return float(self._random.choice([0, 1, 2, 42, -7, 2**53, 100]))
        if kind == 2:
            return self._random.choice([0.5, -0.25, 60.5, 1e20, 1e-9, 0.1, 1e300])
        if kind == 3:
            return self._random.uniform(-1_000, 1_000)
        return self._random.randrange(-10_000, 10_000)

    def leaf(self) -> tuple[str, Number]:
        number = self.number()
        if self._random.random() < 0.5:
            name = f"n{len(self.properties)}"
            self.properties[name] = number
            return f"event.properties.{name}", canonical(number)
        if isinstance(number, float):
            # A decimal is one where an author writes one.
            return f"({number!r})", number
        return f"({number})", number

    def term(self, depth: int) -> tuple[str, Number]:
        if depth == 0 or self._random.random() < 0.3:
            return self.leaf()
        sign = self._random.choice("+-*/")
        (left, a), (right, b) = self.term(depth - 1), self.term(depth - 1)
        return f"({left} {sign} {right})", calculated(sign, a, b)


def promoted(left: Number, right: Number) -> tuple[Number, Number]:
    if isinstance(left, int) and isinstance(right, int):
        return left, right
    return float(left), float(right)


@pytest.mark.prove
def test_mixed_expressions_agree_with_exact_arithmetic_before_and_after_the_database() -> None:
    random = Random(SEED)
    held = failed = 0
    for case in range(CASES):
        maker = Maker(random)
        comparison = random.choice(list(_COMPARISONS))
        expected: bool | None
        try:
            (left, a), (right, b) = maker.term(2), maker.term(2)
        except OverflowError:
            continue
        except NotEvaluated:
            failed += 1
            continue
        expected = _COMPARISONS[comparison](*promoted(a, b))
        text = f"{left} {comparison} {right}"
        for properties in (maker.properties, _from_database(maker.properties)):
            outcome = compile_condition.__wrapped__(text, ExpressionScope.ENTRY_WHERE).evaluate(
                NOW, event={"properties": properties}
            )
            assert outcome[:3] == (expected, None, None), f"{SEED=} {case=} {text} {properties}"
        held += expected
    assert held > CASES // 10
    assert failed < CASES // 2


def _from_database(properties: dict[str, Number]) -> Any:
    """As jsonb gives them back: numerics without an exponent, so that 1e20 is a whole number and 1e2 is 100."""
    written = {
        key: value if isinstance(value, int) or value != int(value) else int(value) for key, value in properties.items()
    }
    return json.loads(json.dumps(written))


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("60.5 + 5 > 50", None, True),
        ("event.properties.x + 5 > 50", 60.5, True),
        ("event.properties.x + 5 > 50", 60, True),
        ("event.properties.x * 1.5 == 3", 2, True),
        ("event.properties.x - 0.5 < 2", 2, True),
        ("5 - event.properties.x == 2.5", 2.5, True),
        ("event.properties.x / 2 == 3", 7, True),
        ("event.properties.x / 2 == 3", 7.0, True),
        ("event.properties.x / 2.0 == 3.5", 7, True),
        ("event.properties.x / 2 == 3.75", 7.5, True),
        ("event.properties.x % 2 == 1", 7.0, True),
        ("event.properties.x % 0.5 == 0", 1.5, True),
        ("event.properties.x % 0.5 == 0", 2, True),
        ("event.properties.x % 2 == 1.5", 3.5, True),
        ("event.properties.x % 2.5 == -1", -3.5, True),
        ("double(event.properties.x) % 2 == 1", 3, True),
        ("double(event.properties.x) > 5", "6", True),
        ("double(event.properties.x) / 4 == 1.5", 6, True),
        ("size(event.properties) > 0.5", 1, True),
        ("event.properties.x in [42, 1.5]", 42.0, True),
        ("event.properties.x in [1.5, 2]", 1.5, True),
        ("event.properties.x == 42.0", 42, True),
        ("(event.properties.x > 1 ? 1 : 2.5) == 2.5", 1, True),
        ("string(event.properties.x) == '42'", 42.0, True),
        ("['a', 'b'][event.properties.x] == 'b'", 1.0, True),
        ("event.properties.x == -1.5", -1.5, True),
        ("event.properties.x > - 1.5e0", -1, True),
        # Whole numbers are exact, also where a double could not tell them apart.
        ("event.properties.x == 9007199254740993", 2**53 + 1, True),
        ("event.properties.x == 9007199254740992", 2**53 + 1, False),
        ("event.properties.x + 1 == 9007199254740994", 2**53 + 1, True),
    ],
)
def test_numbers_meet(text: str, value: Any, expected: bool) -> None:
    outcome = compile_condition(text, ExpressionScope.ENTRY_WHERE).evaluate(NOW, event={"properties": {"x": value}})
    assert outcome[:3] == (expected, None, None)


@pytest.mark.parametrize(
    "text",
    [
        "matches(string(event.properties.x + 0.5), '^5.5$')",
        "matches(string(double(event.properties.x) / 2), '^2.5$')",
        "matches(string(matches(string(event.properties.x + 1.5), '^6.5$')), '^true$')",
        "matches(string(event.properties.x.matches('a') || 1.5 > 1), '^true$') || event.properties.x > 4.5",
        "[0.5].all(y, matches(string(event.properties.x + y + 0.25), '^5.75$'))",
    ],
)
def test_decimals_are_put_back_wherever_they_stand(text: str) -> None:
    """Also in the text of a call of `matches`, which is moved."""
    assert compile_condition(text, ExpressionScope.ENTRY_WHERE).evaluate(NOW, event={"properties": {"x": 5}})[:3] == (
        True,
        None,
        None,
    )


@pytest.mark.parametrize("start", [2, 2.0, 1.5, 2**53])
def test_a_counter_moves(start: Number) -> None:
    count = compile_value("profile.traits.visits + 1", ExpressionScope.VALUE)
    once = count.evaluate(NOW, profile={"traits": {"visits": start}})
    assert (once.value, once.error) == (start + 1, None)
    assert type(once.value) is type(canonical(start))
    assert count.evaluate(NOW, profile={"traits": {"visits": once.value}}).value == start + 2


@pytest.mark.parametrize(("one", "other"), [(42, 42.0), (10**17, 1e17), (0, -0.0), (100, 1e2), (10**20, 1e20)])
def test_keys_and_conditions_agree(one: int, other: float) -> None:
    key = compile_key("event.properties.id")
    assert (
        key.value(NOW, event={"properties": {"id": one}})
        == key.value(NOW, event={"properties": {"id": other}})
        == str(one)
    )
    for text in (
        "event.properties.id == entry.properties.id",
        "{'k': event.properties.id} == {'k': entry.properties.id}",
    ):
        condition = compile_condition(text, ExpressionScope.EXIT_WHERE)
        assert condition.holds(NOW, event={"properties": {"id": one}}, entry={"properties": {"id": other}})


def test_caps_take_a_whole_number_however_it_is_written() -> None:
    written = "rules: [{{name: a, limit: {}, per: 7d}}]"
    assert parse_caps(written.format("3.0"), "caps.yaml") == parse_caps(written.format("3"), "caps.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("60.5 + 5 > 'a'", "`>` does not apply to (number, string) (column 10)"),
        ("double(event.properties.x) == 'a'", "`==` does not apply to (number, string) (column 28)"),
        ("double(true) > 1", "`double` does not apply to (bool)"),
        ("event.properties.x > 5u", "`5u` is unsigned, and no data is"),
        ("number(event.properties.x) > 5", "is not known"),
    ],
)
def test_one_kind_of_number_is_no_other_type(text: str, said: str) -> None:
    with pytest.raises(ConditionError) as refused:
        compile_condition(text, ExpressionScope.ENTRY_WHERE)
    assert said in refused.value.message


@pytest.mark.parametrize(
    ("text", "unified"),
    [
        ("60.5 + .5 > 1e3", "0000 + 00 > 000"),
        ("'1.5' + r'\\' + \"2.5\" + 3.5", "'1.5' + r'\\' + \"2.5\" + 000"),
        ("'a\\'1.5' + '''it's 1.5''' + 1.5", "'a\\'1.5' + '''it's 1.5''' + 000"),
        ("a.b1e5.c1 > 1e5 // 2.5", "a.b1e5.c1 > 000 // 2.5"),
        ("double(x) + double (y) + x.double", "number(x) + number (y) + x.double"),
    ],
)
def test_the_checker_sees_whole_numbers_in_the_same_places(text: str, unified: str) -> None:
    assert unify(text).text == unified


def test_a_division_by_zero_is_that_of_ieee_754_once_a_decimal_is_in_it() -> None:
    for text, expected in (
        ("1 / 0.0 > 1e300", True),
        ("-1 / 0.0 < -1e300", True),
        ("0 / 0.0 == 0", False),
        ("1 % 0.0 == 0", False),
    ):
        outcome = compile_condition(f"event.type == 'track' && {text}", ExpressionScope.ENTRY_WHERE).evaluate(
            NOW, event={"type": "track"}
        )
        assert outcome[:3] == (expected, None, None), text
