"""How many files of the product know each control step: as many are touched to add another like it."""

import ast
import re

import pytest

from domain.campaign.steps.kinds import CONTROL_STEPS
from tests.prose import ROOT, product_files

MOST_FILES = 14
# The names by which modules speak of a control step: its model, its parts and rule, and its node in the plan.
NAMES = {
    "branch": {"Branch", "BranchStep"},
    "split": {"Split", "SplitStep", "SplitSpec", "SplitRule"},
    "repeat": {"Repeat", "RepeatStep", "RepeatSpec"},
    "wait_for": {"WaitFor", "WaitStep", "WaitSpec"},
}
# `split` is a filter and a tag's word there.
ELSEWHERE = ("domain/templates", "domain/tracking", "store/migrations")


def knows(tree: ast.Module, kind: str) -> bool:
    """Whether a module names the kind of step: by a class, by the key of documents, or in SQL."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.alias(name=name) if name in NAMES[kind]:
                return True
            case ast.Constant(value=str(text)) if text == kind or f"'{kind}'" in text:
                return True
            case _:
                continue
    return False


def files_that_know(kind: str) -> list[str]:
    files = [file for file in product_files() if not str(file.relative_to(ROOT)).startswith(ELSEWHERE)]
    return [str(file.relative_to(ROOT)) for file in files if knows(ast.parse(file.read_text()), kind)]


@pytest.mark.parametrize("kind", NAMES)
def test_a_control_step_is_known_to_few_files_and_contributing_says_to_how_many(kind: str) -> None:
    found = files_that_know(kind)
    assert f"domain/campaign/steps/{kind}.py" in found
    assert len(found) <= MOST_FILES, found
    told = re.search(rf"`{kind}`\s+(\d+)\b", (ROOT / "CONTRIBUTING.md").read_text())
    assert told is not None
    assert int(told[1]) == len(found), found


def test_all_control_steps_are_counted() -> None:
    assert {step.kind for step in CONTROL_STEPS} == set(NAMES)


def test_a_file_that_knows_a_kind_is_found() -> None:
    known = [
        "from domain.campaign.plan import Split",
        "case = step['split']",
        "SQL = \"WHERE kind = 'split'\"",
        "Split",
    ]
    assert all(knows(ast.parse(source), "split") for source in known)
    assert not any(knows(ast.parse(source), "split") for source in ("text.split()", "arms = 'splits'", "Splitting"))
