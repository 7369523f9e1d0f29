"""The legal hours of phones: a floor below every campaign, in the gate and at the claim."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from phonenumbers.tzdata import TIMEZONE_DATA

from domain.campaign.plan import Send
from domain.local_time.legal_hours import LegalHours, french_holidays, next_allowed
from domain.local_time.windows import LocalWindow
from domain.sending.claim import CANCELLED, POSTPONING_REASONS, ClaimFacts, Close, Proceed, Wait, claim
from domain.sending.delivery import Keyed, Never, Repeats
from domain.sending.gate_answers import Deferred, Granted, Refused
from domain.sending.objections import Recipient
from domain.sending.policy import GateDecision, Request, decide_recipient
from domain.sending.send_hours import find_hours

UTC_ZONE = ZoneInfo("UTC")
NEW_YORKER = {"phone": "+12125550123"}
PARISIAN = {"phone": "+33612345678"}
INDIAN = {"phone": "+919812345678"}
BERLINER = {"phone": "+4915112345678"}
AUSTRALIAN = {"phone": "+61412345678"}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def opening(traits: dict[str, Any], at: str, *, category: str = "marketing", channel: str = "sms") -> str:
    opens = find_hours(channel, category, traits, None, UTC_ZONE).next_open(utc(at))
    return f"{opens:%Y-%m-%dT%H:%M}"


@pytest.mark.parametrize(
    ("traits", "at", "opens"),
    [
        pytest.param(NEW_YORKER, "2026-12-01T12:59", "2026-12-01T13:00", id="New York, before 8"),
        pytest.param(NEW_YORKER, "2026-12-02T01:59", "2026-12-02T01:59", id="New York, before 21"),
        pytest.param(NEW_YORKER, "2026-12-02T02:00", "2026-12-02T13:00", id="New York, 21"),
        pytest.param(INDIAN, "2026-12-01T04:00", "2026-12-01T04:30", id="India, 9:30"),
        pytest.param(BERLINER, "2026-12-01T20:00", "2026-12-02T07:00", id="the common rule, 21"),
        pytest.param(PARISIAN, "2026-12-01T20:59", "2026-12-01T20:59", id="Paris, before 22"),
        pytest.param(PARISIAN, "2026-12-05T21:00", "2026-12-07T07:00", id="Paris, from Saturday to Monday"),
        pytest.param(PARISIAN, "2026-12-25T10:00", "2026-12-26T07:00", id="Paris, Christmas"),
        # Saturday, 15 August, and a Sunday after it.
        pytest.param(PARISIAN, "2026-08-15T08:00", "2026-08-17T06:00", id="Paris, a holiday before a Sunday"),
        # The number's zone and the person's: both must be open.
        pytest.param(
            NEW_YORKER | {"timezone": "America/Los_Angeles"}, "2026-12-01T13:30", "2026-12-01T16:00", id="west of home"
        ),
        pytest.param(
            NEW_YORKER | {"timezone": "America/Los_Angeles"}, "2026-12-02T02:30", "2026-12-02T16:00", id="night at home"
        ),
        # A mobile number is assigned in many zones, of which the person says one.
        pytest.param(
            AUSTRALIAN | {"timezone": "Australia/Sydney"}, "2026-12-01T21:00", "2026-12-01T21:00", id="8 in Sydney"
        ),
        pytest.param(AUSTRALIAN, "2026-12-01T21:00", "2026-12-02T01:30", id="8 on the Cocos Islands as well"),
    ],
)
def test_a_message_waits_for_the_legal_hours(traits: dict[str, Any], at: str, opens: str) -> None:
    assert opening(traits, at) == opens


def test_one_time_codes_go_at_any_time_and_other_transactional_messages_do_not() -> None:
    night = "2026-12-02T02:00"
    assert opening(NEW_YORKER, night, category="one-time-code") == night
    assert opening(NEW_YORKER, night, category="transactional") == "2026-12-02T13:00"
    assert opening({"email": "ada@example.com", **NEW_YORKER}, night, channel="email") == night


def test_a_number_without_a_zone_has_that_of_the_recipient() -> None:
    hours = find_hours("sms", "marketing", {"phone": "+447700900123"}, None, ZoneInfo("Europe/London"))
    assert hours.next_open(utc("2026-12-01T06:00")) == utc("2026-12-01T08:00")


def test_a_campaign_s_window_narrows_the_legal_hours_and_never_widens_them() -> None:
    zone = ZoneInfo("America/New_York")
    narrow = find_hours("sms", "marketing", NEW_YORKER, LocalWindow(time(10), time(12)), zone)
    wide = find_hours("sms", "marketing", NEW_YORKER, LocalWindow(time(6), time(23)), zone)
    assert narrow.next_open(utc("2026-12-01T12:00")) == utc("2026-12-01T15:00")
    assert wide.next_open(utc("2026-12-01T12:00")) == utc("2026-12-01T13:00")
    at_night, at_nine = utc("2026-12-01T12:00"), utc("2026-12-01T14:00")
    assert [narrow.find_reason(at_night), narrow.find_reason(at_nine)] == ["legal_hours", "send_window"]


def test_every_set_of_zones_of_a_number_has_an_open_hour_each_day() -> None:
    sets = {tuple(zone for zone in zones if zone != "Etc/Unknown") for zones in TIMEZONE_DATA.values()}
    assert len(sets) > 200
    at = utc("2026-12-01T00:00")
    for zones in sets:
        for region in ("US", "IN", "FR"):
            opens = next_allowed(LegalHours(region, zones), None, UTC_ZONE, at)
            assert opens - at < timedelta(days=2), zones


def test_the_holidays_of_a_year_move_with_easter() -> None:
    assert {date(2026, 4, 6), date(2026, 5, 14), date(2026, 5, 25)} < french_holidays(2026)
    assert {date(2027, 3, 29), date(2038, 4, 26)} < french_holidays(2027) | french_holidays(2038)
    assert len(french_holidays(2026)) == 11


STEP = Send(id="nudge", next=None, channel="sms", template="t", category="marketing", expires=86_400)


def decide(at: str, *, reached_at: str | None = None, category: str = "marketing") -> GateDecision:
    step = Send(id="nudge", next=None, channel="sms", template="t", category=category, expires=86_400)
    request = Request("m1", step, utc(reached_at or at), utc(at))
    recipient = Recipient(NEW_YORKER, {"sms": True}, {})
    return decide_recipient(request, recipient, window=None, zone=UTC_ZONE, rules=(), ledger=())


def test_the_gate_defers_to_the_legal_hours_and_says_whose_they_are() -> None:
    decision = decide("2026-12-02T02:00")
    assert decision.answer == Deferred(utc("2026-12-02T13:00"), "legal_hours")
    assert decision.data["until"].isoformat() == "2026-12-02T08:00:00-05:00"
    named = {name: decision.data[name] for name in ("timezone", "region", "zones")}
    assert named == {"timezone": "America/New_York", "region": "US", "zones": ["America/New_York"]}


def test_the_gate_refuses_what_expires_before_and_grants_the_rest() -> None:
    late = decide("2026-12-02T02:00", reached_at="2026-12-01T12:59:59")
    assert late.answer == Refused("legal_hours")
    assert isinstance(decide("2026-12-02T01:00").answer, Granted)
    assert isinstance(decide("2026-12-02T02:00", category="one-time-code").answer, Granted)


def attempt(state: Any, at: str, repeats: Repeats = Never()) -> object:  # noqa: B008 -- immutable
    message = ClaimFacts(state, None, "sms", "marketing", utc("2026-12-03T00:00"), None, "active", "running")
    recipient = Recipient(NEW_YORKER, {"sms": True}, {})
    return claim(message, recipient, window=None, zone=UTC_ZONE, at=utc(at), repeats=repeats)


def test_a_granted_message_is_given_back_when_the_hours_end_before_it_goes() -> None:
    assert attempt("reserved", "2026-12-02T01:59") == Proceed()
    assert attempt("reserved", "2026-12-02T02:00") == Close(CANCELLED, "legal_hours")
    assert "legal_hours" in POSTPONING_REASONS
    assert attempt("sending", "2026-12-02T02:00", Keyed()) == Wait("quiet hours", utc("2026-12-02T13:00"))
