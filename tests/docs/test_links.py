"""Links of documents and comments lead somewhere; records and terms are listed and short."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = ("activities", "api", "application", "channels", "cli", "domain", "runtime", "store", "tests", "workflows")
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text()
    for link in re.finditer(r"\[([^]]+)\]\(([^)#]*)(?:#([^)]*))?\)", text):
        words, path, anchor = link.groups()
        # Those from the root of a site are of messages that a page shows as examples.
        if path.startswith(("https://", "http://localhost:", "/")):
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


def test_decision_records_are_short() -> None:
    records = sorted((ROOT / "docs" / "decisions").glob("0*.md"))
    assert {path.name: lines for path in records if (lines := len(path.read_text().splitlines())) > 40} == {}


def test_the_glossary_is_short_and_sorted() -> None:
    terms = re.findall(r"^\| (.+?) \| .+ \|$", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)[1:]
    assert terms == sorted(set(terms), key=str.lower)
    assert 40 < len(terms) <= 60


def test_comments_point_to_pages_and_sections() -> None:
    files = (path for folder in CODE for path in sorted((ROOT / folder).rglob("*.py")) if path != Path(__file__))
    links = {
        (str(file.relative_to(ROOT)), *link)
        for file in files
        for link in re.findall(r"\b(docs/[\w/-]+\.md)(?:#([\w-]+))?", file.read_text())
    }
    assert links
    for file, page, anchor in sorted(links):
        target = ROOT / page
        assert target.exists(), f"{file}: {page}"
        assert not anchor or anchor in headings(target.read_text()), f"{file}: {page}#{anchor}"


def headings(text: str) -> dict[str, int]:
    """Where each heading is, by the anchor that Git hosts make of it."""
    found = re.finditer(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title[1].lower()).replace(" ", "-"): title.start() for title in found}
