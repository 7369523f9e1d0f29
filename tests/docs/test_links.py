"""The links of the documents lead somewhere, and there is a way to each decision."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text()
    for link in re.finditer(r"\[([^]]+)\]\(([^)#]*)(?:#([^)]*))?\)", text):
        words, path, anchor = link.groups()
        if path.startswith(("https://", "http://localhost:")):
            continue
        target = document.parent / path if path else document
        assert target.exists(), link[0]
        if anchor:
            found = headings(target.read_text())
            assert anchor in found, link[0]
            if words in ("above", "below"):
                assert (words == "below") == (found[anchor] > link.start()), link[0]


def test_the_list_of_decisions_has_each_by_its_title() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"^\| \[(\d+)\]\((\S+)\) \| (.+) \|$", (folder / "README.md").read_text(), re.MULTILINE)
    titles = [(path.name, path.read_text().partition("\n")[0]) for path in sorted(folder.glob("0*.md"))]
    assert [(name, f"# {number} {title}") for number, name, title in listed] == titles


def headings(text: str) -> dict[str, int]:
    """Where each heading is, by the anchor that Git hosts make of it."""
    found = re.finditer(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title[1].lower()).replace(" ", "-"): title.start() for title in found}
