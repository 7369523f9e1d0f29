"""Cal.com: each callback is its reports, and nothing that is forged is read."""

import hmac
import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import pytest

from channels.calendars.registry import CALENDARS
from channels.registry import open_reader
from domain.errors import InvalidRequestError, UnverifiedCallbackError
from domain.sending.bookings import BookingReport, CalendarRule
from domain.sending.outbound_secrets import BoundSecret, SecretRefusal
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.providers.calendars import CALENDAR_MODELS
from domain.sending.reports import Callback, IncomingReport
from tests.channels.recorded_callbacks import HAPPENED, NOW, SECRET

RULE = CalendarRule("demos", "cal", {"kind": "cal", "callback_secret": {"env": "SOJOURN_SECRET_HOOK"}})
HOOK = BoundSecret(SECRET, place="SOJOURN_SECRET_HOOK")
STARTS = "2026-12-02T10:00:00+00:00"
SAID = {"type": "demo", "starts_at": STARTS, "ends_at": "2026-12-02T10:30:00+00:00"}
Headers = Mapping[str, str]


def payload(**more: Any) -> dict[str, Any]:
    return {
        "uid": "b-1",
        "type": "demo",
        "title": "Demo between Eva and Ada",
        "startTime": "2026-12-02T10:00:00Z",
        "endTime": "2026-12-02T10:30:00Z",
        "organizer": {"email": "eva@shop.example"},
        "attendees": [{"name": "Ada", "email": "ada@example.com", "timeZone": "Europe/Berlin"}],
        "metadata": {"sojourn_message": "signed", "videoCallUrl": "https://app.cal.com/video/b-1"},
        **more,
    }


def body(trigger: str, said: Any) -> dict[str, Any]:
    return {"triggerEvent": trigger, "createdAt": HAPPENED.isoformat(), "payload": said}


def signed(content: bytes, secret: str = SECRET) -> Callback:
    digest = hmac.new(secret.encode(), content, sha256).hexdigest()
    return Callback("POST", "https://sojourn.example.com/v1/callbacks/demos", {"x-cal-signature-256": digest}, content)


async def read(callback: Callback) -> list[IncomingReport]:
    reader = open_reader(RULE, ProviderSecrets([HOOK]))
    assert reader is not None
    return list(await reader(callback, NOW))


def report(**more: Any) -> BookingReport:
    fields: dict[str, Any] = {
        "kind": "booked",
        "booking": "b-1",
        "at": HAPPENED,
        "reference": "signed",
        "emails": ("ada@example.com",),
        "data": SAID,
    }
    return BookingReport(**{**fields, **more})


NO_SHOW = {"bookingUid": "b-1", "bookingId": 7, "message": "x"}


@pytest.mark.parametrize(
    ("callback", "expected"),
    [
        (body("BOOKING_CREATED", payload()), [report()]),
        (
            body("BOOKING_RESCHEDULED", payload(uid="b-2", rescheduleUid="b-1")),
            [report(kind="rescheduled", next="b-2"), report(booking="b-2", former="b-1")],
        ),
        (body("BOOKING_CANCELLED", payload(metadata=None)), [report(kind="cancelled", reference=None)]),
        (body("BOOKING_REJECTED", payload()), [report(kind="cancelled")]),
        (body("MEETING_ENDED", payload(attendees=[])), [report(kind="ended", emails=())]),
        ({**payload(), "triggerEvent": "MEETING_ENDED"}, [report(kind="ended", at=NOW)]),
        (
            body("BOOKING_NO_SHOW_UPDATED", NO_SHOW | {"attendees": [{"email": "ada@example.com", "noShow": True}]}),
            [report(kind="missed", reference=None, data={})],
        ),
        (body("BOOKING_NO_SHOW_UPDATED", NO_SHOW | {"attendees": [{"email": "a@example.com", "noShow": False}]}), []),
        (body("BOOKING_NO_SHOW_UPDATED", NO_SHOW), []),
        (body("PING", {"type": "Test"}), []),
        (body("BOOKING_CREATED", None), []),
        (body("BOOKING_CREATED", payload(uid=["b-1"], attendees="Ada", startTime=7e300)), []),
        ({"triggerEvent": ["BOOKING_CREATED"]}, []),
    ],
)
async def test_each_callback_is_its_reports(callback: Any, expected: list[BookingReport]) -> None:
    assert await read(signed(json.dumps(callback).encode())) == expected


async def test_texts_are_bounded_and_can_be_stored() -> None:
    guests = [{"email": f"{number}@example.com"} for number in range(50)]
    long = payload(uid="b" * 500 + "\0", type="\0de\0mo", attendees=guests, metadata={"sojourn_message": "x" * 500})
    [found] = await read(signed(json.dumps(body("BOOKING_CREATED", long)).encode()))
    assert isinstance(found, BookingReport)
    assert (len(found.booking), len(found.emails), len(found.reference or "")) == (150, 10, 150)
    assert found.data["type"] == "demo"


@pytest.mark.parametrize("headers", [{}, {"x-cal-signature-256": ""}, {"x-cal-signature-256": "é"}])
async def test_a_callback_without_a_signature_is_refused(headers: Headers) -> None:
    with pytest.raises(UnverifiedCallbackError):
        await read(Callback("POST", "/", headers, json.dumps(body("BOOKING_CREATED", payload())).encode()))


async def test_a_changed_body_and_one_of_another_account_are_refused() -> None:
    content = json.dumps(body("BOOKING_CREATED", payload())).encode()
    proven = signed(content)
    for forged in (
        Callback(proven.method, proven.url, proven.headers, content + b" "),
        signed(content, "another-secret-of-the-tests"),
    ):
        with pytest.raises(UnverifiedCallbackError):
            await read(forged)
    with pytest.raises(InvalidRequestError):
        await read(signed(b"[]"))


def test_without_its_secret_no_reader_is_opened() -> None:
    with pytest.raises(SecretRefusal):
        open_reader(RULE, ProviderSecrets())


def test_all_calendars_are_registered() -> None:
    assert [kind.model for kind in CALENDARS] == list(CALENDAR_MODELS)
