"""The notification that a push template describes: what is refused when it is published, and what is rendered."""

from collections.abc import Mapping
from typing import Any

import pytest

from domain.channels.kinds import CHANNELS
from domain.channels.push import MAX_CONTENT_BYTES, measure
from domain.templates.template_sets import TemplateRenderError, TemplateSet, load
from tests.domain.templates.sources import only, variables


def push(front: str = "", body: str = "It is still there.", *, title: str = "Your cart") -> str:
    return f"---\nchannel: push\ntitle: {title}\n{front}\n---\n{body}\n"


def render(template: TemplateSet, traits: Mapping[str, Any] | None = None, **properties: Any) -> dict[str, Any]:
    return template.render(variables(traits, **properties), None)


def faults(text: str) -> list[tuple[int, str]]:
    return [(problem.line, problem.message) for problem in load({"t.liquid": text})[1]]


FULL = """url: shop://cart/{{ entry.properties.cart_id }}
image: https://img.example.com/{{ entry.properties.cart_id }}.png
collapse: cart {{ entry.properties.cart_id }}
urgency: high
sound: chime.caf
badge: "{{ entry.properties.items }}"
actions:
  - {id: buy, title: "Buy it, {{ profile.traits.first_name }}"}
  - {id: later, title: Later, url: "https://shop.example.com/later"}
data: {cart: "{{ entry.properties.cart_id }}", note: "1"}
"""


def test_a_notification_is_rendered_as_it_is_written() -> None:
    content = render(only(push(FULL)), {"first_name": "Ada"}, cart_id="c-9", items=3)
    assert content == {
        "title": "Your cart",
        "body": "It is still there.",
        "url": "shop://cart/c-9",
        "image": "https://img.example.com/c-9.png",
        "collapse": "cart c-9",
        "badge": 3,
        "sound": "chime.caf",
        "urgency": "high",
        "actions": [
            {"id": "buy", "title": "Buy it, Ada"},
            {"id": "later", "title": "Later", "url": "https://shop.example.com/later"},
        ],
        "data": {"cart": "c-9", "note": "1"},
    }


def test_the_least_is_a_title_and_a_text() -> None:
    content = render(only(push()))
    assert content == {"title": "Your cart", "body": "It is still there.", "urgency": "normal"}


def test_an_image_or_a_badge_that_is_empty_is_left_out() -> None:
    empty = "\"{{ profile.traits.NAME | default: '' }}\""
    front = f"image: {empty.replace('NAME', 'picture')}\nbadge: {empty.replace('NAME', 'unread')}"
    assert render(only(push(front))).keys() == {"title", "body", "urgency"}


def test_a_title_is_one_line() -> None:
    assert render(only(push(title='"{{ profile.traits.name }}"')), {"name": "A\n\tB\x07 "})["title"] == "A B"


@pytest.mark.parametrize(
    ("front", "line", "message"),
    [
        ("url: /cart", 4, "this is not a link that an app opens"),
        ('url: "{{ entry.properties.url }}"', 4, "this is not a link that an app opens"),
        ("url: 'javascript:alert(1)'", 4, "this is not a link that an app opens"),
        ("urgency: urgent", 4, "there is no urgency 'urgent'"),
        ("sound: a b", 4, "this is not the name of a sound"),
        ("actions: {id: buy}", 4, "actions are a list"),
        ("actions: []", 4, "actions are a list"),
        ("actions: [{id: buy}]", 4, "an action has an `id`, a `title` and perhaps a `url`"),
        ("actions: [{id: buy, title: B, icon: c}]", 4, "an action has an `id`, a `title` and perhaps a `url`"),
        ("actions: [{id: b-y, title: B}]", 4, "'b-y' is not a name for an action"),
        ("actions:\n- {id: b, title: B}\n- {id: b, title: C}", 6, "the action 'b' stands here twice"),
        ("actions: [{id: b, title: B, url: cart}]", 4, "this is not a link that an app opens"),
        (
            "actions: [{id: a, title: A}, {id: b, title: B}, {id: c, title: C}]",
            4,
            "there are 3 actions, and browsers show 2",
        ),
        ("data: [1]", 4, "data is a mapping"),
        ("data: {count: 1}", 4, "the value of 'count' is not a text"),
        ("data: {google.c: x}", 4, "'google.c' is not a name for a value"),
        ("data: {from: x}", 4, "'from' is not a name for a value"),
        ("data: {message_id: x}", 4, "'message_id' is not a name for a value"),
        ("data: {deep: {a: b}}", 4, "the value of 'deep' is not a text"),
    ],
)
def test_a_mistake_has_its_line(front: str, line: int, message: str) -> None:
    assert faults(push(front)) == [(line, message)]


def test_the_title_and_the_text_are_needed() -> None:
    assert faults("---\nchannel: push\n---\nText\n") == [(1, "'title' is missing")]
    assert [message for _, message in faults(push(body=""))] == ["the text is empty"]


@pytest.mark.parametrize(
    ("front", "traits", "reason"),
    [
        ("image: https://i.example.com/{{ profile.traits.x }}", {"x": "a b"}, "the image is not an https URL"),
        ("url: shop://{{ profile.traits.x }}", {"x": "a b"}, "the link is not a URL"),
        ("url: shop://{{ profile.traits.x }}", {"x": "a\nb"}, "the link is not a URL"),
        ('badge: "{{ profile.traits.x }}"', {"x": "many"}, "the badge is not a number"),
        ('badge: "{{ profile.traits.x }}"', {"x": 100_000}, "the badge is not a number"),
        ('collapse: "{{ profile.traits.x }}"', {"x": " "}, "the text is empty"),
    ],
)
def test_a_value_that_fits_nowhere_fails_the_message(front: str, traits: dict[str, Any], reason: str) -> None:
    with pytest.raises(TemplateRenderError, match=reason):
        render(only(push(front)), traits)


def test_a_notification_that_is_too_large_fails_and_is_warned_of() -> None:
    template = only(push(body="{{ profile.traits.text }}"))
    most = "ü" * ((MAX_CONTENT_BYTES - measure({"title": "Your cart", "body": "", "urgency": "normal"})) // 2)
    assert render(template, {"text": most})["body"] == most
    with pytest.raises(TemplateRenderError, match="and push services take 3300"):
        render(template, {"text": most + "ü"})
    sets, problems = load({"t.liquid": push(body="x" * (MAX_CONTENT_BYTES + 1))})
    assert problems == []
    assert [warning.message for warning in sets["t"].warnings] == [
        f"the template has {MAX_CONTENT_BYTES + 10} bytes, and a notification at most {MAX_CONTENT_BYTES}"
    ]


def test_what_phones_cut_off_is_doubtful() -> None:
    kind = CHANNELS["push"]
    assert list(kind.find_doubts({"title": "Short", "body": "Short"})) == []
    assert len(list(kind.find_doubts({"title": "t" * 51, "body": "b" * 179}))) == 2
