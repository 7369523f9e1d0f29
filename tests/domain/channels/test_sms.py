"""Text messages: how many segments they take, and what their templates may say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.channels.sms_segments import Segments, count_segments, find_typographic
from domain.templates.template_sets import TemplateRenderError, TemplateSet, load
from tests.domain.templates.sources import only, variables

BASIC = st.text("abcXYZ 0189.,?@£Ω", max_size=700)


def sms(body: str, front: str = "") -> str:
    return f"---\nchannel: sms\n{front}---\n{body}"


def faults(text: str) -> list[tuple[int, str]]:
    return [(problem.line, problem.message) for problem in load({"t.liquid": text})[1]]


def warnings(text: str) -> list[tuple[int, str]]:
    return [(warning.line, warning.message) for warning in only(text).warnings]


@pytest.mark.parametrize(
    ("text", "encoding", "number"),
    [
        ("", "GSM-7", 1),
        ("a" * 160, "GSM-7", 1),
        ("a" * 161, "GSM-7", 2),
        ("a" * 306, "GSM-7", 2),
        ("a" * 307, "GSM-7", 3),
        # A character of the extension table is an escape and another.
        ("€" * 80, "GSM-7", 1),
        ("€" * 81, "GSM-7", 2),
        # It is not parted: 152 characters and one of two units leave a unit of the first segment empty.
        ("a" * 152 + "€" + "a" * 152, "GSM-7", 3),
        ("a" * 151 + "€" + "a" * 153, "GSM-7", 2),
        ("Größe à 5£, Ω\n", "GSM-7", 1),
        ("ж" * 70, "UCS-2", 1),
        ("ж" * 71, "UCS-2", 2),
        ("ж" * 134, "UCS-2", 2),
        ("ж" * 135, "UCS-2", 3),
        # Beyond the first plane a character has two units, which stay together.
        ("😀" * 35, "UCS-2", 1),
        ("😀" * 36, "UCS-2", 2),
        ("😀" * 67, "UCS-2", 3),
        # `ç` is not of the alphabet, and `Ç` is.
        ("Ç", "GSM-7", 1),
        ("ç", "UCS-2", 1),
    ],
)
def test_a_text_takes_its_segments(text: str, encoding: str, number: int) -> None:
    found = count_segments(text)
    assert (found.encoding, found.number) == (encoding, number)


@given(BASIC)
def test_a_text_of_the_basic_alphabet_fills_its_segments(text: str) -> None:
    expected = 1 if len(text) <= 160 else -(-len(text) // 153)
    assert count_segments(text) == Segments("GSM-7", expected)


@given(st.text(max_size=300), st.text(max_size=50))
def test_a_longer_text_never_takes_fewer_segments(text: str, more: str) -> None:
    assert count_segments(text + more).number >= count_segments(text).number


def test_typographic_characters_are_named_only_if_they_alone_are_at_fault() -> None:
    assert find_typographic("“Hi” – it’s here") == "“”–’"
    assert find_typographic("it’s 😀") == ""
    assert find_typographic("plain") == ""


def test_a_message_is_a_text_and_its_segments() -> None:
    template = only(sms("Hi {{ profile.traits.first_name }},\nyour code: {{ entry.properties.code }}\n"))
    assert template.render(variables({"first_name": "Ada"}, code="1234"), None) == {
        "text": "Hi Ada,\nyour code: 1234",
        "segments": 1,
    }


def long_for(template: TemplateSet, length: int) -> dict[str, object]:
    return template.render(variables({"note": "a" * length}), None)


def test_a_message_beyond_its_segments_fails_for_its_person() -> None:
    template = only(sms("{{ profile.traits.note }}", "max_segments: 2\n"))
    assert long_for(template, 306)["segments"] == 2
    with pytest.raises(TemplateRenderError, match=r"takes 3 segments for this user, and `max_segments` is 2"):
        long_for(template, 307)
    with pytest.raises(TemplateRenderError, match="takes 4 segments"):
        long_for(only(sms("{{ profile.traits.note }}")), 460)
    with pytest.raises(TemplateRenderError, match="is empty for this user"):
        long_for(template, 0)


@pytest.mark.parametrize(
    ("front", "body", "line", "message"),
    [
        ("max_segments: 0\n", "Hi", 3, "a message has at most 10 segments"),
        ("max_segments: 11\n", "Hi", 3, "a message has at most 10 segments"),
        ("max_segments: two\n", "Hi", 3, "'max_segments' must be a whole number"),
        ("max_segments: true\n", "Hi", 3, "'max_segments' must be a whole number"),
        ("max_segments: 1.5\n", "Hi", 3, "'max_segments' must be a whole number"),
        ("subject: Hi\n", "Hi", 3, "there is no key 'subject'"),
        ("", " \n", 4, "the body is empty"),
        ("", "{{ x", 4, "this is not Liquid: `{{` has no `}}`"),
    ],
)
def test_a_fault_has_its_line(front: str, body: str, line: int, message: str) -> None:
    [(at, said)] = faults(sms(body, front))
    assert (at, said.startswith(message)) == (line, True), said


def test_publishing_warns_of_what_a_text_will_cost() -> None:
    assert warnings(sms("a" * 161 + "{{ profile.traits.note }}", "max_segments: 1\n")) == [
        (5, "the text alone takes 2 segments, and `max_segments` is 1")
    ]
    assert warnings(sms("Hi\nit’s {{ entry.properties.x }}")) == [
        (5, "`’` leaves 70 characters to a segment instead of 160")
    ]
    assert warnings(sms("a" * 160 + "{{ profile.traits.note }}", "max_segments: 1\n")) == []
    assert warnings(sms("Привет {{ profile.traits.note }}")) == []
