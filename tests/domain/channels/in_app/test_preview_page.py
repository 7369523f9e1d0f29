"""The page of a preview: a message of each kind in its place, without anything that a value could do there."""

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.channels.in_app.channel import InApp
from domain.channels.in_app.kinds import IN_APP_KINDS
from domain.channels.in_app.theme import MIN_TEXT_CONTRAST, choose_palette, contrast
from tests.domain.channels.in_app.in_app_templates import in_app, render
from tests.domain.channels.in_app.test_values import HOSTILE

NAME = "{{ profile.traits.name }}"
ACTIONS = f'actions: [{{id: a, label: "{NAME}", url: "/{NAME}"}}, {{id: b, label: B}}]'
IMAGE = f'image: {{src: "/{NAME}.png", alt: "{NAME}"}}'
TEXT = f'text: "{NAME} **bold** [x](/{NAME}) ![{NAME}](/{NAME})"'
BODIES = {
    "banner": f"title: '{NAME}'\n{TEXT}\n{ACTIONS}",
    "modal": f"title: '{NAME}'\n{TEXT}\n{IMAGE}\n{ACTIONS}",
    "tooltip": f"anchor: '#buy'\n{TEXT}\n{ACTIONS}",
    "tour": f"steps: [{{id: a, title: '{NAME}', text: '{NAME}'}}, {{id: b, anchor: .b, title: b, text: c}}]",
    "card": f"title: '{NAME}'\n{TEXT}\n{IMAGE}\n{ACTIONS}",
    "survey": f"""title: '{NAME}'
questions:
- {{id: a, type: nps, text: "{NAME}", low: "{NAME}"}}
- {{id: b, type: csat, text: b}}
- {{id: c, type: stars, text: c}}
- {{id: d, type: multi, text: d, options: [{{value: x, label: "{NAME}"}}]}}
- {{id: e, type: text, text: e}}
thanks: "{NAME}" """,
    "slot": f"{TEXT}\n{IMAGE}\n{ACTIONS}\ndata: {{a: '{NAME}'}}",
    "custom": f"data: {{a: '{NAME}'}}",
}


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.text += data


def page(kind: str, name: str, front: str = "") -> str:
    placed = "placement: home\n" if kind in ("slot", "custom") else ""
    return InApp().draw_page(render(in_app(BODIES[kind], placed + front, kind=kind), {"name": name}))


@pytest.mark.parametrize("kind", IN_APP_KINDS)
@pytest.mark.parametrize("name", [*HOSTILE, "</style><script>alert(1)</script>", "' onload='alert(1)"])
def test_no_value_adds_an_element_to_the_page(kind: str, name: str) -> None:
    # What is empty is left out, with what is around it.
    shown = "".join(character for character in name if character.isprintable()).strip() or "x"
    expected, found = Elements(page(kind, "Ada")), Elements(page(kind, shown))
    assert found.elements == expected.elements
    assert all(link.startswith("/") for link in found.links)
    if kind not in ("slot", "custom"):
        assert " ".join(shown.split()) in " ".join(found.text.split())


def test_a_page_says_the_language_and_the_direction_of_its_message() -> None:
    assert '<html lang="ar" dir="rtl">' in page("tour", "Ada", "language: ar")
    assert "1 من 2" in page("tour", "Ada", "language: ar")
    assert '<html dir="ltr">' in page("tour", "Ada")


@pytest.mark.parametrize(("mode", "schemes"), [("auto", 2), ("light", 1), ("dark", 1)])
def test_a_page_has_the_schemes_of_its_theme(mode: str, schemes: int) -> None:
    drawn = page("banner", "Ada", f"theme: {{mode: {mode}, radius: 3}}")
    assert drawn.count(" color-scheme:") == schemes
    assert drawn.count("prefers-color-scheme") == schemes - 1
    assert "--radius: 3px" in drawn


COLOURS = st.integers(0, 0xFFFFFF).map("#{:06x}".format)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("background", "text", "accent"), COLOURS)))
@settings(max_examples=100)
def test_a_text_can_be_read_in_any_theme(theme: dict[str, str]) -> None:
    for scheme in ("light", "dark"):
        colours = choose_palette(theme, scheme)
        for text, back in (("text", "back"), ("quiet", "back"), ("link", "back"), ("on", "accent")):
            assert contrast(colours[text], colours[back]) >= MIN_TEXT_CONTRAST
