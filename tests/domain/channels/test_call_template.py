"""The task of a call: what is refused when it is published, and what is rendered."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from domain.channels.call import MAX_SCRIPT_CHARACTERS, MAX_SUBJECT_CHARACTERS, CallTask
from domain.channels.kind import Unreachable
from domain.local_time.legal_hours import LegalHours
from domain.templates.template_sets import TemplateRenderError, load
from tests.domain.templates.sources import only, variables


def call(front: str = "", body: str = "Ask {{ profile.traits.name }} about the demo.") -> str:
    return f"---\nchannel: call\nsubject: Call {{{{ profile.traits.name }}}}\n{front}---\n{body}\n"


def render(text: str, **traits: Any) -> dict[str, Any]:
    return only(text).render(variables(traits), None)


def test_a_task_has_a_subject_a_script_an_owner_and_a_time() -> None:
    full = call('owner: "{{ profile.traits.owner }}"\ndue: 2h\n')
    assert render(full, name="Ada", owner=" eva@shop.example ") == {
        "subject": "Call Ada",
        "script": "Ask Ada about the demo.",
        "owner": "eva@shop.example",
        "due_seconds": 7_200,
    }


def test_a_task_without_an_owner_is_due_in_a_day() -> None:
    content = render(call(), name="Ada")
    assert (content["owner"], content["due_seconds"]) == (None, 86_400)
    assert render(call('owner: "{{ profile.traits.owner }}"\n'), name="Ada", owner="")["owner"] is None


def test_texts_are_bounded() -> None:
    assert len(render(call(), name="A" * 400)["subject"]) == MAX_SUBJECT_CHARACTERS
    with pytest.raises(TemplateRenderError, match="exceeds 10,000 characters"):
        render(call(), name="A" * MAX_SCRIPT_CHARACTERS)
    with pytest.raises(TemplateRenderError, match="the subject is empty"):
        render(call().replace("Call {{", "{{"), name=" ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (call("due: soon\n"), "soon"),
        (call("due: 91d\n"), "out of bounds"),
        (call(body=" "), "the body is empty"),
        (call().replace("subject: Call {{ profile.traits.name }}\n", ""), "'subject' is missing"),
    ],
)
def test_what_is_no_task_is_refused_when_it_is_published(text: str, message: str) -> None:
    found = [problem.message for problem in load({"t.liquid": text})[1]]
    assert any(message in one for one in found), found


@pytest.mark.parametrize("phone", ["+49 1512 3456789", "0151/2345678", "(030) 123-456"])
def test_a_person_is_called_at_their_number(phone: str) -> None:
    assert CallTask().addresses({"phone": f" {phone} "}) == (phone,)


@pytest.mark.parametrize("phone", [None, "", 49, "12", "ask Eva", "+49 1512\n3456789", "1" * 60])
def test_what_is_no_number_is_unreachable(phone: Any) -> None:
    assert isinstance(CallTask().addresses({"phone": phone}), Unreachable)


@pytest.mark.parametrize(
    ("traits", "expected"),
    [
        ({"phone": "+49 151 12345678"}, LegalHours("DE", ("Europe/Berlin",))),
        ({"phone": "0151 12345678", "country": "DE"}, LegalHours("DE", ("Europe/Berlin",))),
        (
            {"phone": "+49 151 12345678", "timezone": "Asia/Tokyo"},
            LegalHours("DE", ("Asia/Tokyo", "Europe/Berlin")),
        ),
        ({"phone": "0151/2345678", "timezone": "Asia/Tokyo"}, LegalHours(None, ("Asia/Tokyo",))),
        ({"phone": "0151/2345678"}, LegalHours(None, ())),
    ],
)
def test_a_call_keeps_the_hours_of_the_number_or_of_the_person(traits: dict[str, Any], expected: LegalHours) -> None:
    assert CallTask().legal_hours(traits) == expected


@pytest.mark.parametrize(
    ("traits", "at", "due"),
    [
        ({"phone": "+49 151 12345678"}, "12:00", "2026-12-01T14:00:00+01:00"),
        ({"phone": "+49 151 12345678"}, "20:30", "2026-12-02T08:00:00+01:00"),
        ({"phone": "+91 98765 43210"}, "20:30", "2026-12-02T10:00:00+05:30"),
        # Neither the number nor the person says where they are: the zone of the campaign or deployment counts.
        ({"phone": "0151/2345678"}, "20:30", "2026-12-02T08:00:00+09:00"),
    ],
)
def test_a_call_is_due_in_legal_hours(traits: dict[str, Any], at: str, due: str) -> None:
    expected = datetime.fromisoformat(due)
    now = datetime.fromisoformat(f"2026-12-01T{at}").replace(tzinfo=expected.tzinfo).astimezone(UTC)
    template = only(call("due: 2h\n"))
    content = template.render(variables({"name": "Ada", **traits}), None, ZoneInfo("Asia/Tokyo"), now)
    assert now + timedelta(seconds=content["due_seconds"]) == expected
