from pathlib import Path

import pytest

from domain.channels.kinds import CHANNELS
from domain.errors import InvalidDocumentError, Problem
from domain.sending.budgets import MoneyBudget
from domain.sending.caps import CapRule
from domain.sending.caps_document import parse_caps, to_document

EXAMPLES = Path(__file__).parents[3] / "examples" / "caps"
GOOD = "{name: daily, limit: 2, per: 1d}"


def caps_problems(text: str) -> list[Problem]:
    with pytest.raises(InvalidDocumentError) as caught:
        parse_caps(text, "caps.yaml")
    return caught.value.problems


RULES = {
    GOOD: CapRule("daily", 2, 86_400),
    "{name: a, limit: 1, per: 1m}": CapRule("a", 1, 60),
    "{name: a, limit: 1, per: 366d}": CapRule("a", 1, 366 * 86_400),
    "{name: a, limit: 3, per: calendar_day}": CapRule("a", 3, 2 * 86_400, calendar="day"),
    "{name: a, limit: 3, per: calendar_week}": CapRule("a", 3, 8 * 86_400, calendar="week"),
    "{name: a, limit: 3, per: calendar_month}": CapRule("a", 3, 32 * 86_400, calendar="month"),
    "{name: a, min_gap: 4h}": CapRule("a", min_gap=14_400),
    "{name: a, limit: 3, per: 7d, min_gap: 1h30m}": CapRule("a", 3, 604_800, min_gap=5_400),
    "{name: a, limit: 3, per: 7d, channels: [email], categories: [marketing, news]}": CapRule(
        "a", 3, 604_800, ("email",), ("marketing", "news")
    ),
    "{name: a, limit: 3, per: 7d, counts: [transactional, high]}": CapRule(
        "a", 3, 604_800, counts=("transactional", "high")
    ),
}


@pytest.mark.parametrize(("text", "rule"), RULES.items())
def test_reads_a_rule_and_writes_it_again(text: str, rule: CapRule) -> None:
    assert parse_caps(f"rules:\n  - {text}\n", "caps.yaml") == (rule,)
    written = to_document(rule)
    lines = [f"{key}: {value!r}" for key, value in written.items()]
    assert parse_caps(f"rules: [{{{', '.join(lines)}}}]", "caps.yaml") == (rule,)
    assert list(written) == [part.split(":")[0].strip(" {") for part in text.split(", ") if ":" in part]


def test_reads_several_rules_in_their_order() -> None:
    text = f"rules:\n  - {GOOD}\n  - {{name: mail, limit: 3, per: 7d}}\n"
    assert [rule.name for rule in parse_caps(text, "caps.yaml")] == ["daily", "mail"]


@pytest.mark.parametrize("file", sorted(EXAMPLES.iterdir()), ids=lambda file: file.stem)
def test_the_examples_are_good(file: Path) -> None:
    assert parse_caps(file.read_text(encoding="utf-8"), str(file))


def test_there_may_be_no_rules() -> None:
    assert parse_caps("rules: []", "caps.yaml") == ()


@pytest.mark.parametrize(
    ("rule", "path", "message", "suggestion"),
    [
        ("{name: Daily, limit: 2, per: 1d}", "name", "not a slug", "`daily`"),
        ("{name: a, limit: 0, per: 1d}", "limit", "`0`", ""),
        ("{name: a, limit: '2', per: 1d}", "limit", "`2` is not a whole number", "without quotes"),
        ("{name: a, limit: true, per: 1d}", "limit", "`true` is not a whole number", "without quotes"),
        ("{name: a, per: 1d}", "limit", "`limit` is missing: a window `per` has one", "the most messages"),
        ("{name: a, limit: 2}", "per", "`per` is missing: a `limit` holds for a window", "`1d`, `7d`"),
        ("{name: a, limit: 2, min_gap: 1h}", "per", "`per` is missing", "`calendar_week`"),
        ("{name: a, per: 7d, min_gap: 1h}", "limit", "`limit` is missing", "Add `limit: …`"),
        ("{name: a}", "", "the rule limits nothing", "Add `limit: …` and `per: …`, or `min_gap: …`"),
        ("{name: a, limit: , per: 1d}", "limit", "has no value", "leave the line out"),
        ("{name: a, limit: 2, per: }", "per", "has no value", "leave the line out"),
        ("{name: a, limit: 2, per: 59s}", "per", "`59s` is too short", "from 1m to 366d"),
        ("{name: a, limit: 2, per: 367d}", "per", "`367d` is too long", "366d"),
        ("{name: a, limit: 2, per: 7}", "per", "`7` is not a duration", "Add a unit: `7s`"),
        ("{name: a, limit: 2, per: [7d]}", "per", "a list is not a duration", "`1d`, `7d`"),
        ("{name: a, limit: 2, per: true}", "per", "`true` is not a duration", "`1d`, `7d`"),
        ("{name: a, limit: 2, per: weekly}", "per", "`weekly` is not a duration", "`calendar_week`"),
        ("{name: a, limit: 2, per: week}", "per", "`week` is not a window", "Did you mean `calendar_week`?"),
        ("{name: a, limit: 2, per: calendar_wek}", "per", "`calendar_wek` is not a window", "`calendar_week`?"),
        ("{name: a, limit: 2, per: calendar_year}", "per", "`calendar_year` is not a window", "from 1m to 366d"),
        ("{name: a, min_gap: 59s}", "min_gap", "`59s` is too short", "A gap is from 1m to 366d"),
        ("{name: a, min_gap: calendar_day}", "min_gap", "not a duration", "A gap is from 1m to 366d"),
        (
            "{name: a, limit: 2, per: 1d, channels: [fax]}",
            "channels[0]",
            "`fax` is not allowed",
            ", ".join(CHANNELS),
        ),
        ("{name: a, limit: 2, per: 1d, channels: []}", "channels", "the list is empty", "leave the key out"),
        ("{name: a, limit: 2, per: 1d, channels: }", "channels", "has no value", "leave the line out"),
        ("{name: a, limit: 2, per: 1d, categories: [News]}", "categories[0]", "not a slug", "`news`"),
        (
            "{name: a, limit: 2, per: 1d, categories: [news, transactional]}",
            "categories[1]",
            "`transactional` messages pass every rule",
            "write `counts: [transactional]`",
        ),
        ("{name: a, limit: 2, per: 1d, counts: [marketing]}", "counts[0]", "not allowed", "transactional, high"),
        ("{name: a, limit: 2, per: 1d, counts: []}", "counts", "the list is empty", "leave the key out"),
        (
            "{name: a, min_gap: 1h, min_gp: 1h}",
            "min_gp",
            "not known",
            "Did you mean `min_gap`? Allowed: name, limit",
        ),
        (GOOD, "name", "the name `daily` is taken by the rule on line 2", "a name of its own"),
    ],
)
def test_each_mistake_has_its_line_path_and_remedy(rule: str, path: str, message: str, suggestion: str) -> None:
    (found,) = caps_problems(f"rules:\n  - {GOOD}\n  - {rule}\n")
    assert (found.file, found.line, found.path) == ("caps.yaml", 3, f"rules[1].{path}" if path else "rules[1]")
    assert message in found.message
    assert suggestion in found.suggestion


def test_all_mistakes_are_said_at_once() -> None:
    text = (
        f"rules:\n  - {GOOD}\n  - {GOOD}\n  - {{name: a, limit: -1, per: x}}\n"
        "  - name: b\n    per: 1d\n    min_gap: 1s\n    categories:\n      - transactional\nrules: 3\nmore: 1\n"
    )
    assert [(found.line, found.path) for found in caps_problems(text)] == [
        (3, "rules[1].name"),
        (4, "rules[2].limit"),
        (4, "rules[2].per"),
        (5, "rules[3].limit"),
        (7, "rules[3].min_gap"),
        (9, "rules[3].categories[0]"),
        (10, "rules"),
        (11, "more"),
    ]


@pytest.mark.parametrize("text", ["rules: 3", "rules: [3]", "- {name: a}", "rules:\n  - \n"])
def test_what_is_no_list_of_rules_is_refused(text: str) -> None:
    assert caps_problems(text)


def test_budgets_are_rules_beside_the_others() -> None:
    text = (
        "rules: [{name: weekly, limit: 3, per: 7d}]\n"
        "budgets: [{name: a-day, scope: day, amount: 0.5, currency: EUR, channels: [email]}]\n"
    )
    weekly, daily = parse_caps(text, "caps.yaml")
    assert weekly.budget is None
    assert daily == CapRule("a-day", channels=("email",), budget=MoneyBudget("day", 500_000, "EUR"))
    assert to_document(daily) == {
        "name": "a-day",
        "scope": "day",
        "amount": 0.5,
        "currency": "EUR",
        "channels": ["email"],
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("amount: 0", "`0` is out of bounds"),
        ("amount: 0.0000001", "is out of bounds"),
        ("amount: much", "`much` is not an amount"),
        ("currency: eur", "`eur`"),
        ("scope: week", "`week` is not allowed"),
        ("name: weekly", "the name `weekly` is taken"),
    ],
)
def test_each_mistake_in_a_budget_is_said(change: str, said: str) -> None:
    key = change.partition(":")[0]
    written = {"name": "a-day", "scope": "day", "amount": "5", "currency": "EUR"} | {key: change.partition(": ")[2]}
    budget = ", ".join(f"{name}: {value}" for name, value in written.items())
    with pytest.raises(InvalidDocumentError) as refused:
        parse_caps(f"rules: [{{name: weekly, limit: 3, per: 7d}}]\nbudgets: [{{{budget}}}]\n", "caps.yaml")
    assert any(said in one.message for one in refused.value.problems)
