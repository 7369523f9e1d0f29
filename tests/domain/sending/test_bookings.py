"""Bookings: the query of their links, and the events of their reports."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import pytest
from msgspec.structs import replace

from domain.sending.booking_links import build_booking_query
from domain.sending.bookings import Booker, BookingReport, build_event, find_event_ids

AT = datetime(2026, 12, 1, 12, tzinfo=UTC)
REPORT = BookingReport(kind="booked", booking="b-1", at=AT, data={"starts_at": "2026-12-02T10:00:00+00:00"})
ADA = Booker("ada", None, {"message_id": "m-1", "campaign": "demo"})


@pytest.mark.parametrize(
    ("traits", "expected"),
    [
        ({"email": "ada+demo@example.com", "name": "Ada & co"}, {"email": "ada+demo@example.com", "name": "Ada & co"}),
        ({"first_name": "Ada", "last_name": "Lovelace"}, {"name": "Ada Lovelace"}),
        ({"first_name": 7, "last_name": " Lovelace "}, {"name": "Lovelace"}),
        ({"email": ["x"], "name": "A" * 300}, {"name": "A" * 200}),
        ({"name": "\ud800"}, {"name": "?"}),
        ({}, {}),
    ],
)
def test_a_link_knows_the_person_and_the_message(traits: dict[str, Any], expected: dict[str, str]) -> None:
    query = build_booking_query(traits, "signed")
    assert dict(parse_qsl(query, strict_parsing=True)) == {**expected, "metadata[sojourn_message]": "signed"}


def test_an_event_has_the_booking_and_the_message_that_led_to_it() -> None:
    event = build_event("demos", replace(REPORT, former="b-0"), ADA)
    assert (event.name, event.user_id, event.timestamp, event.source) == ("Call Booked", "ada", AT, "sojourn")
    assert event.properties == {
        "message_id": "m-1",
        "campaign": "demo",
        "calendar": "demos",
        "booking": "b-1",
        "rescheduled_from": "b-0",
        "starts_at": "2026-12-02T10:00:00+00:00",
    }
    visitor = build_event("demos", REPORT, Booker(None, "browser"))
    assert (visitor.user_id, visitor.anonymous_id) == (None, "browser")


def test_a_report_is_one_event_of_its_calendar_and_kind() -> None:
    event = build_event("demos", REPORT, ADA)
    assert build_event("demos", replace(REPORT, at=AT.replace(hour=13)), ADA).id == event.id
    others = [build_event("other", REPORT, ADA), build_event("demos", replace(REPORT, kind="ended"), ADA)]
    assert len({event.id, *(one.id for one in others)}) == 3


def test_later_reports_are_about_the_person_who_booked() -> None:
    first = build_event("demos", REPORT, ADA)
    missed = replace(REPORT, kind="missed")
    moved = replace(REPORT, booking="b-2", former="b-1")
    assert first.id in find_event_ids("demos", missed)
    assert first.id in find_event_ids("demos", moved)
    assert first.id not in find_event_ids("other", missed)
