"""Conditions in their parts."""

from collections.abc import Sequence

import pytest

from domain.conditions.cel_parts import ConditionPart, split_condition


def outline(part: ConditionPart) -> object:
    """A part as nested tuples: the text of a value, else the kind and the parts."""
    return part.text if part.kind == "value" else (part.kind, *(outline(one) for one in part.parts))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", "a"),
        ("a && b && c", ("all", "a", "b", "c")),
        ("a || b && c", ("any", "a", ("all", "b", "c"))),
        ("(a || b) && !c", ("all", ("any", "a", "b"), ("not", "c"))),
        ("(a) && (b)", ("all", "a", "b")),
        ("(a && b)", ("all", "a", "b")),
        ("((a == 1))", "a == 1"),
        ("!(a && b)", ("not", ("all", "a", "b"))),
        ("!!a", "a"),
        ("!!!a", ("not", "a")),
        ("! ! (a || b)", ("any", "a", "b")),
        ("!a == b", "!a == b"),
        ("!(a == b)", ("not", "a == b")),
        ("!a in b", "!a in b"),
        ("!a.b[0].c(x && y)", ("not", "a.b[0].c(x && y)")),
        ("a ? b && c : d || e", "a ? b && c : d || e"),
        ("(a ? b : c) && d", ("all", "a ? b : c", "d")),
        ("a.exists(x, x && !x)", "a.exists(x, x && !x)"),
        ("a == '&& b || !c' && d", ("all", "a == '&& b || !c'", "d")),
        ('a == "it\\"s && b" || d', ("any", 'a == "it\\"s && b"', "d")),
        ("a == r'\\' && d", ("all", "a == r'\\'", "d")),
        ("a // x && y\n && b // (", ("all", "a", "b")),
        ("a == '''x\n&& y''' && b", ("all", "a == '''x\n&& y'''", "b")),
        ("a in ['x', 'y'] && b", ("all", "a in ['x', 'y']", "b")),
        ("a == {'x': b && c} || d", ("any", "a == {'x': b && c}", "d")),
        ("a.`b&&c` && d", ("all", "a.`b&&c`", "d")),
        ("!has(a.b) && a.c >= .5", ("all", ("not", "has(a.b)"), "a.c >= .5")),
    ],
)
def test_operators_of_logic_join_the_parts(text: str, expected: Sequence[object]) -> None:
    assert outline(split_condition(text)) == expected


def test_a_part_is_written_as_its_author_did() -> None:
    whole = split_condition("  ( a||b )  &&  ! ( c == 1 ) ")
    assert whole.text == "( a||b )  &&  ! ( c == 1 )"
    assert [part.text for part in whole.parts] == ["a||b", "! ( c == 1 )"]
    assert [part.text for part in whole.values()] == ["a", "b", "c == 1"]
