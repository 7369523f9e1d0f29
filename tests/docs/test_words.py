"""The pages say subject, verb, object, and hold nothing that a merge has left behind."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "cli/starter").rglob("*.md")]
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
# At the beginning of a sentence, and of a cell or an item.
BEGINNING = r"(?:^|[.:;!?] |\| |^[-*] |\*\* )"
INDIRECT = re.compile(rf"{BEGINNING}(?:Of|What|Whatever|Whoever|Those who|That)\b[^.?\n]*", re.MULTILINE)
NOBODY = re.compile(r"\b(?:whom|whoever|nobody|somebody|is let be|to be had)\b", re.IGNORECASE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_sentences_begin_with_their_subject(page: Path) -> None:
    text = CODE.sub("CODE", page.read_text())
    assert INDIRECT.findall(text) + NOBODY.findall(text) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_has_the_marks_of_a_merge_conflict(page: Path) -> None:
    assert re.findall(r"^(?:<{7}|={7}|>{7}|\|{7})(?: .*)?$", page.read_text(), re.MULTILINE) == []
