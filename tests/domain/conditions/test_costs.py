"""No data that a public key can send makes an evaluation expensive: its work is bounded before it begins."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from domain.conditions import cel_costs
from domain.conditions.cel_costs import MAX_UNITS, Spent
from domain.conditions.expressions import Condition, ConditionError, ExpressionScope, compile_condition
from domain.tracking.item import MAX_ITEM_BYTES
from tests.domain.conditions.times import NOW

_LONG = f"[{','.join('1' * 99)}]"
_TWICE = f"{_LONG}.all(x, {_LONG}.all(y, {{}}))"
# Lists and texts that stand in an expression itself: it needs no data to be expensive.
LITERALS = [
    _TWICE.format(f"!'{'a' * 700}'.matches('(a?){{300}}b')"),
    _TWICE.format(f"!string(b'{'a' * 700}').matches('(a?){{300}}b')"),
    _TWICE.format("!string(x).matches('(a?){1000}b')"),
    _TWICE.format(" && ".join(["!string(x).matches('a')"] * 50)),
    _TWICE.format(" && ".join(["x + 0.5 > -1.0"] * 60)),
    _TWICE.format("!('abc' + string(x) + string(y)).matches('zzz')"),
    _TWICE.format(f"!'{'é' * 600}'.contains('{'é' * 600}e')"),
    _TWICE.format("{'a': [x, y, 'b'].map(z, [z, x])} != {'a': []}"),
    f"['{'a' * 200}']" + "".join(f".map(x, {' + '.join('x' * 12)})" for _ in range(10)) + ".size() > 1",
    f"{_LONG}.map(x, {_LONG}).map(x, x.map(y, {_LONG})).size() > 1",
]
# Each expression is an author's, and each list or text what fits into one event.
ATTACKS = [
    *LITERALS,
    "event.properties.items.all(i, !event.properties.text.contains(event.properties.needle))",
    "event.properties.items.all(i, !event.properties.text.matches('(a|b)*a(a|b){60}c'))",
    "event.properties.items.map(i, event.properties.items).size() > 0",
    "event.properties.items.map(i, event.properties.text + event.properties.text).size() > 0",
    "event.properties.items.all(i, event.properties.text + event.properties.text != '')",
    "event.properties.items.all(i, event.properties.items == event.properties.items)",
    "event.properties.items.all(i, event.properties.items + event.properties.items != [])",
    "event.properties.items.all(i, [event.properties.items, event.properties.items] != [])",
    "event.properties.items.filter(i, i >= 0).map(i, event.properties.items).map(l, l.map(x, x)).size() > 0",
    "event.properties.items.all(i, event.properties.items.exists(j, j == i))",
    "event.properties.items.all(i, size(event.properties.text) > 0 && string(event.properties.text) != '')",
    "event.properties.items.map(i, [i, i]).map(p, [p, p]).map(q, [q, q]).size() > 0",
    "!event.properties.text.contains(event.properties.needle) || " * 20 + "false",
    "event.properties == event.properties && " * 40 + "true",
    # Loops over lists of the event within each other.
    "event.properties.items.all(a, event.properties.items.all(b, event.properties.items.all(c, a == b || b == c)))",
    "event.properties.items.map(a, event.properties.items.map(b, [a, b])).all(r, r.all(p, p != [] && p in r))",
    "event.properties.items.filter(a, event.properties.items.filter(b, a == b).size() > 0).size() > 0",
    # Texts and lists that double: each time once more, and as often as an expression may say so.
    "[event.properties.text]" + ".map(t, t + t)" * 12 + ".all(t, t.contains('b'))",
    "[event.properties.items]" + ".map(l, l + l)" * 12 + ".all(l, l == l)",
    "[event.properties.text]" + ".map(t, t + t)" * 26 + ".size() > 0",
    "event.properties.items" + ".map(l, event.properties.items)" * 26 + ".size() > 0",
    # Long lists of the author's, made anew in each round.
    f"event.properties.items.all(i, i in {[*range(400)]})",
    f"event.properties.items.all(i, {[*range(180)]} != {[*range(179)]} + [i])",
    f"event.properties.items.all(i, {[*range(180)]}.all(n, event.properties.items.exists(j, j == n || i != n)))",
    f"event.properties.items.all(i, ['{'a' * 1_000}', event.properties.text].exists(t, t + t != string(i)))",
    f"{[*range(10)]}.all(a, {[*range(10)]}" + f".all(b, {[*range(10)]}" * 5 + ".size() > 0" + ")" * 6,
    "event.properties.items.all(i, !string(i).matches('(a?){1000}b'))",
    "event.properties.items.all(i, dyn(i) == 1 || !event.properties.text.matches('(a?){300}b'))",
    # A key that is not there is copied and escaped into the text of an error, which nothing sees in the end.
    "event.properties.items.all(i, {'a': 1}[event.properties.text] == 1 || true)",
    "event.properties.items.all(i, " + "event.properties.lookup[event.properties.text] == 1 || " * 12 + "true)",
    "event.properties.items.all(i, "
    + "event.properties.lookup[event.properties.text] == 1 && " * 12
    + "false || true)",
    "event.properties.items.all(i, [1, 2, 3].exists(j, event.properties.lookup[event.properties.text] == j) || true)",
    "event.properties.items.all(i, event.properties.lookup[event.properties.needle + event.properties.text].a || true)",
]
DATA: list[dict[str, Any]] = [
    {"items": list(range(1_000)), "text": "a" * 14_000, "needle": "a" * 7_000 + "b"},
    {"items": ["ab" * 10] * 900, "text": "ab" * 5_000, "needle": "ab"},
    {"items": [{"k": [i]} for i in range(1_000)], "text": "ab" * 5_000, "needle": "ab" * 2_000},
    {"items": [[[[[0]]]]] * 1_000, "text": "", "needle": ""},
    # Each byte of it is four in an error.
    {"items": [0] * 880, "text": "\x7f" * 28_000, "needle": "\x7f", "lookup": {}},
]
# What one evaluation may take here, though the machine is busy: CPU, not time. It is 50 ms where it was measured.
CPU_SECONDS, MEGABYTES = 0.5, 100

_CHILD = """
import json, resource, sys
from domain.conditions.expressions import ExpressionScope, compile_condition
from tests.domain.conditions.times import NOW
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
for text, properties in json.load(sys.stdin):
    compile_condition(text, ExpressionScope.ENTRY_WHERE).evaluate(NOW, event={"properties": {}})
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
sys.stdin.seek(0)
for text, properties in json.load(sys.stdin):
    before = resource.getrusage(resource.RUSAGE_SELF)
    outcome = compile_condition(text, ExpressionScope.ENTRY_WHERE).evaluate(NOW, event={"properties": properties})
    after = resource.getrusage(resource.RUSAGE_SELF)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps([spent, (after.ru_maxrss - base) // 1024, outcome.error]), flush=True)
"""


def test_no_event_makes_any_expression_expensive(tmp_path: Any) -> None:
    cases = [(text, properties) for text in ATTACKS for properties in DATA]
    assert all(len(json.dumps(properties, ensure_ascii=False).encode()) <= MAX_ITEM_BYTES for _, properties in cases)
    given = tmp_path / "cases.json"
    given.write_text(json.dumps(cases))
    with given.open() as stdin:
        child = subprocess.run(
            [sys.executable, "-c", _CHILD],
            stdin=stdin,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONPATH": os.getcwd()},
        )
    measured = [json.loads(line) for line in child.stdout.splitlines()]
    assert len(measured) == len(cases)
    for (text, _), (cpu, megabytes, error) in zip(cases, measured, strict=True):
        assert cpu < CPU_SECONDS, f"{text} took {cpu:.2f} s of CPU: {error}"
        assert megabytes < MEGABYTES, f"{text} took {megabytes} MB: {error}"
    # The bound is what keeps them from it, and not a fault of the data.
    assert sum("units of work" in (error or "") for *_, error in measured) > len(cases) // 3


@pytest.mark.parametrize("text", LITERALS)
def test_what_stands_in_an_expression_counts(text: str) -> None:
    outcome = compile_condition(text, ExpressionScope.ENTRY_WHERE).evaluate(NOW, event={"properties": {}})
    assert outcome[:3] == (False, f"it takes more than {MAX_UNITS:,} units of work over this much data", None)


@pytest.mark.parametrize("text", ATTACKS)
def test_a_quick_look_lets_nothing_pass_that_a_close_one_would_not(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    condition = compile_condition(text, ExpressionScope.ENTRY_WHERE)
    quick = [_is_judged(condition, properties) for properties in DATA]
    monkeypatch.setattr(cel_costs, "MAX_ROUGH_UNITS", 0)
    assert quick == [_is_judged(condition, properties) for properties in DATA]


def _is_judged(condition: Condition, properties: dict[str, Any]) -> bool:
    return "units of work" not in (condition.evaluate(NOW, event={"properties": properties}).error or "")


@pytest.mark.parametrize("key", ["k" * 20_000, "\x7f" * 20_000, "\U0001f600" * 5_000])
@pytest.mark.parametrize(
    "text", ["event.properties.lookup[event.properties.key] == 1", "{'a': 1}[event.properties.key] == 1"]
)
def test_a_key_that_is_looked_for_counts_by_its_length(text: str, key: str) -> None:
    condition = compile_condition(text, ExpressionScope.ENTRY_WHERE)
    units = []
    for value in (key, ""):
        spent = Spent()
        condition.evaluate(NOW, spent, event={"properties": {"lookup": {}, "key": value}})
        units.append(spent.units)
    # A unit is 0.5 us, and CEL takes up to 10 ns for each byte of a key that is not there.
    assert units[0] - units[1] >= len(key.encode()) * 0.01 / 0.5


def test_a_key_of_the_data_is_not_repeated() -> None:
    condition = compile_condition("event.properties.lookup[event.properties.key] == 1", ExpressionScope.ENTRY_WHERE)
    for key in ("ada@example.com", 'a"da', "a'\"da", "\x7f", "x" * 20_000):
        outcome = condition.evaluate(NOW, event={"properties": {"lookup": {}, "key": key}})
        assert outcome[:3] == (False, "an object has no key of this name", None)


def test_small_loops_over_literals_are_judged() -> None:
    text = f"{_LONG}.all(x, [{','.join('1' * 49)}].all(y, string(x + y) != '3'))"
    assert compile_condition(text, ExpressionScope.ENTRY_WHERE).evaluate(NOW, event={"properties": {}}).holds


@pytest.mark.parametrize(
    "text",
    [
        "event.properties.items.exists(i, i.sku == entry.properties.sku)",
        "event.properties.items.exists(i, i.price > 50 && i.sku.startsWith('sku-9'))",
        "event.properties.items.all(i, i.price * i.quantity < 1000.5)",
        "event.properties.items.exists(i, i.sku in ['sku-1', 'sku-999'])",
        "size(event.properties.items) > 10 && event.properties.items[9].price > 1",
        "event.properties.items.exists_one(i, i.sku.matches('^sku-999$'))",
        "event.properties.items.exists(i, i.sku.contains('999'))",
        "event.properties.items.exists(i, {'sku-999': 1}[i.sku] == 1)",
    ],
)
def test_large_orders_are_judged(text: str) -> None:
    """A thousand items are as many as any condition sees."""
    items = [{"sku": f"sku-{number}", "price": number / 4, "quantity": 2} for number in range(1_000)]
    condition = compile_condition(text, ExpressionScope.EXIT_WHERE)
    outcome = condition.evaluate(NOW, event={"properties": {"items": items}}, entry={"properties": {"sku": "sku-999"}})
    assert outcome[:3] == (True, None, None)


@pytest.mark.parametrize(("number", "is_judged"), [(300, True), (1_000, False)])
def test_lists_are_made_of_some_hundred_items(number: int, is_judged: bool) -> None:
    condition = compile_condition("event.properties.n.filter(i, i >= 0).size() > 1", ExpressionScope.ENTRY_WHERE)
    outcome = condition.evaluate(NOW, event={"properties": {"n": list(range(number))}})
    said = f"it takes more than {MAX_UNITS:,} units of work over this much data"
    assert outcome[:3] == ((True, None, None) if is_judged else (False, said, None))


@pytest.mark.parametrize(
    ("text", "message", "suggestion"),
    [
        ("'a'.matches(event.properties.p)", "the pattern of `matches` is not a text in quotes (column 29)", "contains"),
        (
            "matches('a', event.properties.p)",
            "the pattern of `matches` is not a text in quotes (column 30)",
            "contains",
        ),
        ("event.properties.l.all(p, 'a'.matches(p))", "the pattern of `matches` is not a text in quotes", "contains"),
        ("event.properties.x.matches('(')", "missing )", "RE2"),
        ("event.properties.x.matches('a{1001}')", "invalid repetition size", "RE2"),
        ("event.properties.x.matches('(?=a)')", "invalid perl operator", "no look-around"),
        ("event.properties.x.matches('((a{1,40}){1,40}){1,9}')", "not a regular expression that can be used", "RE2"),
    ],
)
def test_patterns_are_literals_of_a_bounded_size(text: str, message: str, suggestion: str) -> None:
    with pytest.raises(ConditionError) as refused:
        compile_condition(text, ExpressionScope.ENTRY_WHERE)
    assert message in refused.value.message
    assert suggestion in refused.value.suggestion


@pytest.mark.parametrize("text", ["event.properties.x.matches('^[a-c]+$')", "matches(event.properties.x, r'^\\w+$')"])
def test_patterns_match_as_they_did(text: str) -> None:
    condition = compile_condition(text, ExpressionScope.ENTRY_WHERE)
    assert condition.evaluate(NOW, event={"properties": {"x": "abc"}})[:3] == (True, None, None)
    assert condition.evaluate(NOW, event={"properties": {"x": "é-"}})[:3] == (False, None, None)
    assert "`matches` cannot take a whole number" in str(condition.evaluate(NOW, event={"properties": {"x": 5}}).error)
