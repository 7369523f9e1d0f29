import pytest

from domain.errors import InvalidDocumentError, Problem
from domain.sending.caps import CapRule
from domain.sending.caps_document import parse_caps

GOOD = "{name: daily, limit: 2, per: 1d}"


def caps_problems(text: str) -> list[Problem]:
    with pytest.raises(InvalidDocumentError) as caught:
        parse_caps(text, "caps.yaml")
    return caught.value.problems


def test_reads_rules() -> None:
    text = f"rules:\n  - {GOOD}\n  - {{name: mail, limit: 3, per: 7d, channels: [email], categories: [marketing]}}\n"
    assert parse_caps(text, "caps.yaml") == (
        CapRule("daily", 2, 86_400),
        CapRule("mail", 3, 604_800, ("email",), ("marketing",)),
    )


def test_there_may_be_no_rules() -> None:
    assert parse_caps("rules: []", "caps.yaml") == ()


@pytest.mark.parametrize(
    ("rule", "path", "message", "suggestion"),
    [
        ("{name: Daily, limit: 2, per: 1d}", "name", "not a slug", "`daily`"),
        ("{name: a, limit: 0, per: 1d}", "limit", "`0`", ""),
        ("{name: a, limit: '2', per: 1d}", "limit", "`2` is not a whole number", "without quotes"),
        ("{name: a, limit: true, per: 1d}", "limit", "`true` is not a whole number", "without quotes"),
        ("{name: a, per: 1d}", "limit", "`limit` is missing", "the most messages"),
        ("{name: a, limit: 2, per: calendar_day}", "per", "`calendar_day` is not a window", "`1d`, `7d`"),
        ("{name: a, limit: 2, per: 59s}", "per", "too short", "from 1m to 366d"),
        ("{name: a, limit: 2, per: 367d}", "per", "out of bounds", "366d"),
        ("{name: a, limit: 2, per: week}", "per", "`week` is not a duration", "from 1m to 366d"),
        ("{name: a, limit: 2, per: 1d, channels: [push]}", "channels[0]", "`push` is not allowed", "email, webhook"),
        ("{name: a, limit: 2, per: 1d, channels: []}", "channels", "the list is empty", "leave the key out"),
        ("{name: a, limit: 2, per: 1d, channels: }", "channels", "has no value", "leave the line out"),
        ("{name: a, limit: 2, per: 1d, categories: [News]}", "categories[0]", "not a slug", "`news`"),
        ("{name: a, limit: 2, per: 1d, min_gap: 1h}", "min_gap", "not known", "Allowed: name, limit, per"),
        (GOOD, "name", "the name `daily` is taken by the rule on line 2", "a name of its own"),
    ],
)
def test_each_mistake_has_its_line_path_and_remedy(rule: str, path: str, message: str, suggestion: str) -> None:
    (found,) = caps_problems(f"rules:\n  - {GOOD}\n  - {rule}\n")
    assert (found.file, found.line, found.path) == ("caps.yaml", 3, f"rules[1].{path}")
    assert message in found.message
    assert suggestion in found.suggestion


def test_all_mistakes_are_said_at_once() -> None:
    text = f"rules:\n  - {GOOD}\n  - {GOOD}\n  - {{name: a, limit: -1, per: x}}\nrules: 3\nmore: 1\n"
    assert [(found.line, found.path) for found in caps_problems(text)] == [
        (3, "rules[1].name"),
        (4, "rules[2].limit"),
        (4, "rules[2].per"),
        (5, "rules"),
        (6, "more"),
    ]
