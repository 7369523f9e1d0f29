"""docs/guarantees.md is checked by the tests that it names."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guarantees.md").read_text()
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
NOT_PROMISES = {"Assumptions", "Not promised"}


@pytest.mark.parametrize("promise", sorted(SECTIONS.keys() - NOT_PROMISES))
def test_each_promise_names_the_tests_that_check_it(promise: str) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", SECTIONS[promise])
    assert named
    assert len(named) == len(set(named)) == SECTIONS[promise].count("::")
    for file, test in named:
        assert test in functions_of(ROOT / file), f"{file} has no {test}"


def test_what_is_no_promise_is_there() -> None:
    assert SECTIONS.keys() >= NOT_PROMISES
    assert len(SECTIONS) > 12


def functions_of(file: Path) -> set[str]:
    """The functions of a file, by its source: it need not be imported to know that they are there."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, functions)}
