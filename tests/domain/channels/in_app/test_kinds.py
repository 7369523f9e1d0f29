"""The body of each kind of in-app message: what is rendered, and what is refused when it is published."""

import pytest

from tests.domain.channels.in_app.in_app_templates import content, doubts, faults, in_app, plain, remedies

ACTION = {"id": "buy", "label": "Buy it", "style": "primary", "dismiss": True}


def test_a_banner() -> None:
    body = """title: Hello {{ profile.traits.name }}
text: |
  Your cart **waits**, {{ profile.traits.name }}.
actions:
  - {id: buy, label: Buy it, url: "/cart?for={{ profile.traits.name }}", event: Cart Opened}
  - {id: later, label: Later, style: link, dismiss: false}
position: bottom
dismissible: false
"""
    assert content(body, name="Ada") == {
        "title": "Hello Ada",
        "text": [
            {
                "t": "p",
                "c": [
                    {"t": "text", "v": "Your cart "},
                    {"t": "b", "c": [{"t": "text", "v": "waits"}]},
                    {"t": "text", "v": ", Ada."},
                ],
            }
        ],
        "actions": [
            {**ACTION, "url": "/cart?for=Ada", "event": "Cart Opened"},
            {"id": "later", "label": "Later", "style": "link", "dismiss": False},
        ],
        "position": "bottom",
        "dismissible": False,
    }


def test_the_least_of_each_kind() -> None:
    text = plain("b")
    assert content("text: b") == {"text": text, "actions": [], "position": "top", "dismissible": True}
    assert content("title: a\ntext: b", kind="modal") == {
        "title": "a",
        "text": text,
        "actions": [],
        "dismissible": True,
    }
    assert content("anchor: '#buy'\ntext: b", kind="tooltip") == {
        "anchor": "#buy",
        "text": text,
        "actions": [],
    }
    assert content("steps: [{id: one, title: a, text: b}]", kind="tour") == {
        "steps": [{"id": "one", "title": "a", "text": text, "next_on_click": False}],
        "skippable": True,
    }
    assert content("title: a\ntext: b", kind="card") == {
        "title": "a",
        "text": text,
        "actions": [],
        "pinned": False,
        "dismissible": True,
    }
    assert content("questions: [{id: q, type: nps, text: b}]", kind="survey") == {
        "questions": [{"id": "q", "type": "nps", "text": text, "required": False}],
        "position": "corner",
    }
    assert content("text: b", "placement: home", kind="slot") == {"text": text, "actions": []}
    assert content("data: {a: 1}", "placement: home", kind="custom") == {"data": {"a": 1}}


def test_pictures_links_and_data() -> None:
    body = """title: New
text: See it.
image: {src: "https://img.example.com/{{ profile.traits.size }}.png", alt: "Shoes of size {{ profile.traits.size }}"}
url: /shoes
actions: [{id: buy, label: Buy it}]
pinned: true
"""
    assert content(body, kind="card", size=42) == {
        "title": "New",
        "text": plain("See it."),
        "image": {"src": "https://img.example.com/42.png", "alt": "Shoes of size 42"},
        "url": "/shoes",
        "actions": [{**ACTION, "dismiss": False}],
        "pinned": True,
        "dismissible": True,
    }
    data = 'data: {plan: "{{ profile.traits.plan }}", tags: "{{ profile.traits.tags | json }}", n: 1, none: null}'
    assert content(data, "placement: home", kind="custom", plan="pro", tags=["a"]) == {
        "data": {"plan": "pro", "tags": ["a"], "n": 1, "none": None}
    }


def test_an_optional_text_without_a_value_is_left_out() -> None:
    empty = "\"{{ profile.traits.x | default: '' }}\""
    found = content(f"title: a\ntext: b\nimage: {{src: {empty}, alt: x}}\nurl: {empty}", kind="card")
    assert found.keys() == {"title", "text", "actions", "pinned", "dismissible"}


@pytest.mark.parametrize(
    ("kind", "body", "found"),
    [
        ("banner", "title: a", (6, "body", "'text' is missing")),
        ("banner", "text: a\ntitel: b", (7, "body.titel", "there is no key 'titel'")),
        ("banner", "text: a\nposition: left", (7, "body.position", "there is no position 'left'")),
        ("banner", "text: a\ndismissible: 'no'", (7, "body.dismissible", "'dismissible' must be true or false")),
        ("banner", "text: ''", (6, "body.text", "the text is empty")),
        ("banner", "text: [a]", (6, "body.text", "'text' must be a text")),
        ("banner", "text: '{{ profil.traits.x }}'", (6, "body.text", "there is no variable 'profil.traits.x'")),
        ("banner", "text: a\ntitle: " + "x" * 201, (7, "body.title", "the text has 201 characters")),
        ("banner", "text: a\nactions: {id: a}", (7, "body.actions", "'actions' must be a list")),
        ("banner", "text: a\nactions: [a]", (7, "body.actions[0]", "this must be a mapping")),
        ("banner", "text: a\nactions: [{id: b}]", (7, "body.actions[0]", "'label' is missing")),
        ("banner", "text: a\nactions:\n- {id: b, label: B, ur: /x}", (8, "body.actions[0].ur", "there is no key 'ur'")),
        (
            "banner",
            "text: a\nactions: [{id: b, label: B, style: big}]",
            (7, "body.actions[0].style", "there is no style 'big'"),
        ),
        (
            "banner",
            "text: a\nactions:\n- {id: b, label: B}\n- {id: b, label: B}",
            (9, "body.actions[1].id", "the action 'b' stands here twice"),
        ),
        (
            "banner",
            "text: a\nactions: [" + ", ".join(f"{{id: a{n}, label: B}}" for n in range(4)) + "]",
            (7, "body.actions", "'actions' has 4 entries"),
        ),
        (
            "banner",
            "text: a\nactions: [{id: b, label: B, url: 'javascript:alert(1)'}]",
            (7, "body.actions[0].url", "'javascript:alert(1)' is neither an https link nor a path"),
        ),
        (
            "banner",
            "text: 'See [this](http://example.com/{{ profile.user_id }}).'",
            (6, "body.text", "'http://example.com/{{ … }}' is neither an https link nor a path"),
        ),
        ("banner", "text: '![a](data:x)'", (6, "body.text", "'data:x' is neither an https link nor a path")),
        ("modal", "text: a", (6, "body", "'title' is missing")),
        ("modal", "title: a\ntext: b\ndismissible: false", (8, "body.dismissible", "the dialog can never be closed")),
        ("modal", "title: a\ntext: b\nimage: /a.png", (8, "body.image", "this must be a mapping")),
        ("tooltip", "text: a", (6, "body", "'anchor' is missing")),
        ("tooltip", "text: a\nanchor: '//div'", (7, "body.anchor", "'//div' is not a selector of CSS")),
        ("tooltip", "text: a\nanchor: '#{{ profile.user_id }}'", (7, "body.anchor", "'anchor' must be constant")),
        ("tooltip", "text: a\nanchor: .a\nside: middle", (8, "body.side", "there is no side 'middle'")),
        ("tour", "skippable: true", (6, "body", "'steps' is missing")),
        ("tour", "steps: []", (6, "body.steps", "'steps' must be a list")),
        (
            "tour",
            "steps:\n- {id: a, title: b, text: c}\n- {id: a, title: b, text: c}",
            (8, "body.steps[1].id", "the step 'a' stands here twice"),
        ),
        (
            "tour",
            "steps: [{id: a, title: b, text: c, next_on_click: true}]",
            (6, "body.steps[0].next_on_click", "the step has no element to click on"),
        ),
        ("card", "title: a", (6, "body", "'text' is missing")),
        ("survey", "title: a", (6, "body", "'questions' is missing")),
        ("slot", "url: /a", (6, "body", "the slot has no content")),
        ("custom", "data: a", (6, "body.data", "'data' must be a mapping")),
        ("custom", "text: a\ndata: {a: b}", (6, "body.text", "there is no key 'text'")),
    ],
)
def test_a_wrong_body_is_named_with_its_line(kind: str, body: str, found: tuple[int, str, str]) -> None:
    front = "placement: home" if kind in ("slot", "custom") else ""
    assert faults(in_app(body, front, kind=kind)) == [found]


def test_a_slip_in_the_body_is_told_what_was_meant() -> None:
    assert "Did you mean `title`?" in remedies(in_app("text: a\ntitel: b"))[0]


def test_an_image_without_a_text_is_doubted() -> None:
    body = "title: a\ntext: 'b ![](/c.png)'\nimage: {src: /a.png}"
    assert doubts(in_app(body, kind="modal")) == [
        "an image has no text in its place",
        "the image has no text in its place",
    ]
