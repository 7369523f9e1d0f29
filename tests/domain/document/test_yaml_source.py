from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.document.yaml_source import MAX_SIZE, path_text, read
from domain.errors import InvalidDocumentError, Problem


def refusal(text: str) -> Problem:
    with pytest.raises(InvalidDocumentError) as caught:
        read(text, "a.yaml")
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("1:30", "1:30"),
        ("2026-11-01", "2026-11-01"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("012", 12),
        ("-3", -3),
        ("0x1F", 31),
        ("0o17", 15),
        ("1_000", "1_000"),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("NO", "NO"),
        ("10:30", "10:30"),
        ("01234", 1234),
        ("9007199254740993", 9007199254740993),
        ("-9223372036854775808", -(2**63)),
        ("18446744073709551615", 2**64 - 1),
        pytest.param("0" * 5_000 + "1", 1, id="zeros"),
        pytest.param("-" + "0" * 5_000 + "12", -12, id="zeros-after-a-sign"),
        pytest.param("0x" + "0" * 5_000 + "1F", 31, id="zeros-in-hex"),
        pytest.param("0o" + "0" * 5_000 + "17", 15, id="zeros-in-octal"),
        ("+0", 0),
        ("0x0", 0),
        ("'12'", "12"),
        ('"true"', "true"),
        ("|\n  a\n  b", "a\nb"),
    ],
)
def test_only_the_core_schema_of_yaml_1_2(written: str, value: Any) -> None:
    assert read(f"a: {written}", "a.yaml").data == {"a": value}


def test_keys_are_always_texts() -> None:
    assert read("on: a\n1: b\ntrue: c", "a.yaml").data == {"on": "a", "1": "b", "true": "c"}


def test_every_path_has_its_line() -> None:
    source = read("# top\nkey: a\nsteps:\n  - id: x\n    send:\n      channel: email\n  - {id: y}\n", "a.yaml")
    assert source.line(()) == 2
    assert source.line(("steps", 0, "send", "channel")) == 6
    assert source.line(("steps", 1, "id")) == 7
    assert source.line(("steps", 0, "send", "template")) == 5
    assert path_text(("steps", 0, "send", "channel")) == "steps[0].send.channel"
    assert path_text(()) == "document"


def test_a_key_that_stands_twice_is_a_problem_and_the_rest_is_read() -> None:
    source = read("a: 1\nb:\n  c: 1\n  c: 2\n", "a.yaml")
    assert source.data == {"a": 1, "b": {"c": 1}}
    (problem,) = source.problems
    assert (problem.line, problem.path) == (4, "b.c")
    assert "first on line 3" in problem.message


def test_a_key_that_is_a_list_is_a_problem() -> None:
    (problem,) = read("? [a]\n: 1\n", "a.yaml").problems
    assert problem.message == "a key must be a text, not a list or mapping"


def test_a_key_of_thousands_of_characters_is_not_repeated() -> None:
    (problem,) = read(f"a: 1\n{'b' * 900}: 1\n", "a.yaml").problems
    assert (problem.line, problem.path) == (2, "document")
    assert len(problem.message) < 100


def test_what_a_database_cannot_store_is_a_problem() -> None:
    (problem,) = read('a: 1\nb: "x\\0"\n', "a.yaml").problems
    assert (problem.line, problem.path) == (2, "b")


def test_what_no_text_can_hold_goes_no_further() -> None:
    """Pydantic and whoever prints the other problems of the document would stumble over it."""
    source = read('"k\\ud800": "\\udfff"\n', "a.yaml")
    assert source.data == {"k\ufffd": "\ufffd"}
    assert [(problem.line, problem.path) for problem in source.problems] == [(1, "document"), (1, "k\ufffd")]


@pytest.mark.parametrize(
    ("text", "line", "message", "suggestion"),
    [
        ("a: &x 1\nb: *x", 2, "the alias `*x` is not allowed", "Write out"),
        ("a: !!python/name:os.system x", 1, "is not allowed", "Quote a text"),
        ("a: 1\nwhere: !has(x)", 2, "the tag `!has(x)` is not allowed", "Quote a text that starts with `!`"),
        ("a: 1\nb: 'x\n\n", 2, "a quote is opened here and never closed", "Close it"),
        ("a: b: c", 1, "has a `:` where no key can stand", "single quotes"),
        ("a:\n\t- 1", 2, "indented by a tab", "Indent by blanks"),
        ("a:\n  - b: 1\n   - c: 1", 3, "indented otherwise", "Align it"),
        ("a: 1\n- b", 2, "indented otherwise", "Align it"),
        ("a: 'it's here'", 1, "more text after the closing quote", "double a quote"),
        ("a: 1\nb\nc: 2", 2, "neither `key: value` nor", "Write `key: value`"),
        ("a: - b", 1, "a `- ` item stands beside its key", "a line of its own"),
        ("a: @b", 1, "cannot begin with `@`", "single quotes"),
        ("a: `b`", 1, "cannot begin with a backtick", "single quotes"),
        ("a: 1\nb: [1, 2\nc: 3", 2, "no `,` between two parts, or no `]` at its end", "Add it"),
        ("a: {b: 1 c: 2}", 1, "no `,` between two parts, or no `}` at its end", "Add it"),
        ("a: ]", 1, "a `]` that closes nothing", "Remove it"),
        ('a: "\\q"', 1, "`q` means nothing after a `\\`", "single quotes"),
        # A rare one keeps the words of the parser.
        ("a: |x", 1, "not valid YAML: while scanning a block scalar", "indentation"),
        ("a: 1\nb: \x07", 2, "U+0007", "Remove it"),
        ("a: \ud800", 1, "U+D800", "Remove it"),
        ("---\na: 1\n---\nb: 2", 3, "begins a second document", "a file of its own"),
        ("", 1, "empty", "key: value"),
        ("# nothing", 1, "empty", "key: value"),
        ("[" * 100_000, 1, "nested deeper than 64", "flatter"),
        ("- " * 50_000, 1, "nested deeper than 64", "flatter"),
        ("a" * (MAX_SIZE + 1), 1, "larger than 128 KB", "Split"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(text: str, line: int, message: str, suggestion: str) -> None:
    problem = refusal(text)
    assert (problem.file, problem.line) == ("a.yaml", line)
    assert message in problem.message
    assert suggestion in problem.suggestion


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(InvalidDocumentError):
        read(text, "a.yaml")
