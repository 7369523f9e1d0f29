"""The template of a postcard or a letter: what is refused when it is published, and what is rendered."""

import pytest

from domain.channels.post import MAX_HTML_CHARACTERS
from domain.templates.template_sets import TemplateRenderError, load
from tests.domain.templates.sources import only, variables

CARD = """---
channel: post
format: postcard
size: 6x9
front: <h1>We miss you, {{ profile.traits.first_name }}</h1>
---
<p>Ten per cent off until {{ entry.properties.until }}.</p>
"""
LETTER = "---\nchannel: post\nformat: letter\nink: black\n---\n<p>Dear {{ profile.traits.first_name }},</p>"


def faults(text: str) -> list[tuple[int, str]]:
    return [(problem.line, problem.message) for problem in load({"t.liquid": text})[1]]


def test_a_postcard_has_two_sides() -> None:
    content = only(CARD).render(variables({"first_name": "Ada & co"}, until="May"), None)
    assert content == {
        "format": "postcard",
        "size": "6x9",
        "front": "<h1>We miss you, Ada &amp; co</h1>",
        "back": "<p>Ten per cent off until May.</p>\n",
    }
    assert only(CARD.replace("size: 6x9\n", "")).render(variables({"first_name": "A"}, until=""), None)["size"] == "4x6"


def test_a_letter_is_its_body() -> None:
    content = only(LETTER).render(variables({"first_name": "Ada"}), None)
    assert content == {"format": "letter", "ink": "black", "file": "<p>Dear Ada,</p>"}
    assert only(LETTER.replace("ink: black\n", "")).render(variables({"first_name": "A"}), None)["ink"] == "color"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CARD.replace("format: postcard\n", ""), (1, "'format' is missing")),
        (CARD.replace("postcard", "card"), (3, "there is no 'card'")),
        (CARD.replace("6x9", "A5"), (4, "there is no 'A5'")),
        (CARD.replace("front: <h1>We miss you, {{ profile.traits.first_name }}</h1>\n", ""), (6, "no front")),
        (CARD.replace("size: 6x9", "ink: color"), (4, "a postcard has no ink")),
        (LETTER.replace("ink: black", "size: a4"), (4, "a letter has no size")),
        (LETTER.replace("black", "blue"), (4, "there is no 'blue'")),
        (LETTER.partition("<p>")[0], (6, "the body is empty")),
    ],
)
def test_what_cannot_be_printed_is_refused_when_it_is_published(text: str, expected: tuple[int, str]) -> None:
    line, message = expected
    assert [found == line and message in said for found, said in faults(text)] == [True], faults(text)


def test_more_than_a_sheet_holds_is_refused_for_the_person() -> None:
    long = only(LETTER.replace("{{ profile", f"{'x' * (MAX_HTML_CHARACTERS - 20)} {{{{ profile"))
    assert long.render(variables({"first_name": "A"}), None)
    with pytest.raises(TemplateRenderError, match="exceeds 10,000 characters"):
        long.render(variables({"first_name": "A" * 30}), None)
