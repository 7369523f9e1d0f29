"""WhatsApp: approved templates with their values, and free texts within the window."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.channels.kinds import CHANNELS
from domain.templates.template_sets import TemplateRenderError, load
from tests.domain.templates.sources import only, variables

AT = datetime(2026, 12, 1, 12, tzinfo=UTC)
WHOLE = """---
channel: whatsapp
template:
  name: cart_reminder
  language: en_US
  header: {image: "https://example.com/{{ entry.properties.cart_id }}.png"}
  variables:
    - '{{ profile.traits.first_name | default: "you" }}'
    - "{{ entry.properties.note }}"
  buttons:
    - {index: 1, url: "cart/{{ entry.properties.cart_id }}"}
    - {index: 2, payload: STOP}
---
"""


def front(template: str) -> str:
    return f"---\nchannel: whatsapp\ntemplate: {template}\n---\n"


def faults(text: str) -> list[str]:
    return [problem.message for problem in load({"t.liquid": text})[1]]


def test_a_template_has_a_name_a_language_and_values() -> None:
    content = only(WHOLE).render(variables({"first_name": "Ada"}, cart_id="c-1", note="two\n\n  lines"), None)
    assert content == {
        "template": {
            "name": "cart_reminder",
            "language": "en_US",
            "variables": {"1": "Ada", "2": "two lines"},
            "header": {"image": "https://example.com/c-1.png"},
            "buttons": [{"index": 1, "url": "cart/c-1"}, {"index": 2, "payload": "STOP"}],
        }
    }


def test_a_template_of_twilio_has_an_id_and_named_values() -> None:
    sid = "HX" + "0" * 32
    content = only(front(f'{{content_sid: {sid}, variables: {{name: "Ada"}}}}')).render(variables(), None)
    assert content == {"template": {"content_sid": sid, "variables": {"name": "Ada"}}}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"cart_id": "c-1", "note": " "}, "the value is empty for this user"),
        ({"cart_id": "c 1", "note": "n"}, "the image is not an https URL for this user"),
        ({"cart_id": "c-1", "note": "n" * 1_025}, "the value exceeds 1,024 characters for this user"),
    ],
)
def test_a_value_that_the_provider_would_refuse_is_a_fault(values: dict[str, Any], said: str) -> None:
    with pytest.raises(TemplateRenderError, match=said):
        only(WHOLE).render(variables(**values), None)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{name: cart_reminder}", "the template lacks a valid `language`"),
        ("{name: Cart-Reminder, language: en}", "the template lacks a valid `name`"),
        ("{name: a, language: english}", "the template lacks a valid `language`"),
        ("{content_sid: HX1}", "the template lacks a valid `content_sid`"),
        ("{name: a, language: en, footer: b}", "the template has no key 'footer'"),
        (f"{{content_sid: HX{'0' * 32}, header: {{text: a}}}}", "the template has no key 'header'"),
        (
            "{name: a, language: en, variables: b}",
            "`variables` is a list of up to 50 texts, or a mapping by their names",
        ),
        ("{name: a, language: en, variables: [[b]]}", "a value of the template is not a text"),
        ("{name: a, language: en, variables: {Name: b}}", "'Name' is not the name of a variable"),
        ("{name: a, language: en, header: {text: a, image: b}}", "a header has one of text, image, video, document"),
        ("{name: a, language: en, buttons: [{url: a}]}", "a button has an `index`, and a `url` or a `payload`"),
        (
            "{name: a, language: en, buttons: [{index: 10, url: a}]}",
            "a button has an `index`, and a `url` or a `payload`",
        ),
        (
            "{name: a, language: en, buttons: [{index: 0, url: a}, {index: 0, url: b}]}",
            "the button 0 stands here twice",
        ),
        ("[a]", "the template lacks a valid `name`"),
    ],
)
def test_a_template_that_cannot_be_sent_is_a_problem(template: str, said: str) -> None:
    assert said in faults(front(template))


def test_an_approved_template_has_no_text_beside_it() -> None:
    assert faults(front("{name: a, language: en}") + "Hello\n") == [
        "the text of an approved template is the provider's"
    ]
    assert faults("---\nchannel: whatsapp\n---\n\n") == ["the body is empty"]


def test_a_free_text_goes_within_a_day_of_the_person_s_last() -> None:
    whatsapp = CHANNELS["whatsapp"]
    text = only("---\nchannel: whatsapp\n---\nHello {{ profile.traits.first_name }}\n")
    content = text.render(variables({"first_name": "Ada"}), None)
    assert content == {"text": "Hello Ada"}
    day = timedelta(days=1)
    assert whatsapp.find_closed_window(content, AT - day + timedelta(seconds=1), AT) is None
    assert "the person wrote at 2026-11-30T12:00:00+00:00" in (whatsapp.find_closed_window(content, AT - day, AT) or "")
    assert "has written nothing" in (whatsapp.find_closed_window(content, None, AT) or "")
    assert whatsapp.find_closed_window({"template": {"name": "a"}}, None, AT) is None


def test_a_test_message_is_marked_where_its_words_are_ours() -> None:
    whatsapp = CHANNELS["whatsapp"]
    assert whatsapp.mark_as_test({"text": "Hello"}) == {"text": "[Test] Hello"}
    assert whatsapp.mark_as_test({"template": {"name": "a"}}) == {"template": {"name": "a"}}
