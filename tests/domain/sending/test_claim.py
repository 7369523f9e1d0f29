from datetime import UTC, datetime, time, timedelta
from itertools import product
from typing import get_args
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from domain.campaign.life import CampaignState
from domain.journey.state import StoredState
from domain.local_time.windows import LocalWindow
from domain.sending.caps import TRANSACTIONAL
from domain.sending.claim import (
    CANCELLED,
    FAILED,
    POSTPONED,
    RESERVED,
    SENDING,
    SENT,
    UNKNOWN,
    ClaimFacts,
    Close,
    Done,
    MessageState,
    Proceed,
    Wait,
    claim,
    may_repeat,
)
from domain.sending.delivery import Keyed, Never, Repeats, Replaces
from domain.sending.fallbacks import NOT_NEEDED
from domain.sending.holds import Hold
from domain.sending.objections import Recipient

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
REACHABLE = Recipient({"email": "ada@example.com"}, {}, {})
REFUSING = Recipient({"email": "ada@example.com"}, {"email": False}, {})
SUPPRESSED = Recipient({"email": "ada@example.com"}, {}, {"email": "complained"})
UNREACHABLE = Recipient({}, {}, {})
REFUSED_BY_ADDRESS = Recipient({"email": "ada@example.com"}, {}, {}, {"email": {"opt_out": "unsubscribed by link"}})
HELD = replace(REACHABLE, holds=[Hold(UUID(int=1), "user", NOON + timedelta(days=1), "complaint")])
DETAILS = {
    "no_consent": "the profile refuses email",
    "suppressed": "complained",
    "unreachable": "the profile has no trait email",
}
RECIPIENTS = {"": REACHABLE, "no_consent": REFUSING, "suppressed": SUPPRESSED, "unreachable": UNREACHABLE}


def refused(reason: str) -> Close:
    return Close(CANCELLED, reason, DETAILS[reason])


def attempt(
    state: MessageState,
    *,
    category: str = "marketing",
    journey: StoredState = "active",
    recipient: Recipient = REACHABLE,
    late: timedelta = -timedelta(hours=1),
    honours: bool = False,
    campaign: CampaignState = "running",
    reason: str | None = None,
    window: LocalWindow | None = None,
    zone: str = "UTC",
) -> Proceed | Wait | Close | Done:
    """Of a message that expires at noon, by default an hour before."""
    message = ClaimFacts(state, reason, "email", category, NOON, None, journey, campaign)
    return claim(
        message,
        recipient,
        window=window,
        zone=ZoneInfo(zone),
        at=NOON + late,
        repeats=Keyed() if honours else Never(),
    )


# Open at 11:00 by UTC, closed from 11:30 on.
MORNING = LocalWindow(time(9), time(11, 30))
# Closed at 11:00, open again before the message expires; and again only after that.
QUIET_HOUR, QUIET_DAY = LocalWindow(time(11, 45), time(11)), LocalWindow(time(12), time(11))
PAUSED = Wait("the campaign is paused")


@pytest.mark.parametrize("state", [SENT, FAILED, CANCELLED, UNKNOWN])
@pytest.mark.parametrize("journey", ["active", "completed", "exited"])
def test_what_has_its_outcome_keeps_it(state: MessageState, journey: StoredState) -> None:
    for recipient, honours in product(RECIPIENTS.values(), (False, True)):
        assert attempt(state, journey=journey, recipient=recipient, honours=honours) == Done(state)


def test_a_fallback_waits_for_the_verdict_on_what_was_opened() -> None:
    judged = Wait("a click or an opening is being judged", NOON - timedelta(minutes=59))
    at = NOON - timedelta(hours=1)
    cases: list[tuple[MessageState, str | None, Wait | Close]] = [
        (RESERVED, None, judged),
        (SENDING, None, judged),
        (RESERVED, "opened at noon", Close(CANCELLED, NOT_NEEDED, "opened at noon")),
        (SENDING, "opened at noon", Close(UNKNOWN, "attempt_died")),
    ]
    for state, reaction, expected in cases:
        message = ClaimFacts(state, None, "email", "marketing", NOON, None, "active", "running")
        message = replace(message, reaction=reaction, verdict_seconds=60.0)
        found = claim(message, REACHABLE, window=None, zone=ZoneInfo("UTC"), at=at, repeats=Keyed())
        assert found == expected, (state, reaction)


@pytest.mark.parametrize("honours", [False, True])
@pytest.mark.parametrize("category", ["marketing", TRANSACTIONAL])
def test_a_reservation_is_claimed(category: str, honours: bool) -> None:
    assert attempt(RESERVED, category=category, honours=honours) == Proceed()


@pytest.mark.parametrize("honours", [False, True])
def test_what_was_granted_waits_while_the_campaign_is_paused(honours: bool) -> None:
    assert attempt(RESERVED, campaign="paused", honours=honours) == PAUSED
    assert attempt(RESERVED, campaign="paused", late=timedelta(0)) == Close(CANCELLED, "expired")
    left = attempt(SENDING, campaign="paused", honours=honours)
    assert left == (PAUSED if honours else Close(UNKNOWN, "attempt_died"))


@pytest.mark.parametrize(("window", "is_open"), [(MORNING, True), (QUIET_HOUR, False), (QUIET_DAY, False)])
def test_a_reservation_is_given_back_in_quiet_hours(window: LocalWindow, is_open: bool) -> None:
    expected = Proceed() if is_open else Close(CANCELLED, "send_window")
    for honours in (False, True):
        assert attempt(RESERVED, window=window, honours=honours) == expected
        assert attempt(RESERVED, window=window, honours=honours, category=TRANSACTIONAL) == Proceed()
    # The gate says of a paused campaign what is to be done.
    assert attempt(RESERVED, window=window, campaign="paused") == (PAUSED if is_open else expected)
    # What ends a message for good comes first.
    assert attempt(RESERVED, window=window, journey="exited") == Close(CANCELLED, "journey_ended")
    assert attempt(RESERVED, window=window, late=timedelta(0)) == Close(CANCELLED, "expired")
    assert attempt(RESERVED, window=window, recipient=REFUSING) == refused("no_consent")


def test_quiet_hours_are_the_recipients_own() -> None:
    assert attempt(RESERVED, window=MORNING, zone="Europe/London") == Proceed()
    assert attempt(RESERVED, window=MORNING, zone="Asia/Tokyo") == Close(CANCELLED, "send_window")


def test_the_window_closes_on_the_instant() -> None:
    closing = timedelta(minutes=-30)
    assert attempt(RESERVED, window=MORNING, late=closing - timedelta(microseconds=1)) == Proceed()
    assert attempt(RESERVED, window=MORNING, late=closing) == Close(CANCELLED, "send_window")


@pytest.mark.parametrize("journey", ["active", "completed", "exited"])
def test_what_was_given_back_is_postponed_however_often_it_is_asked(journey: StoredState) -> None:
    for window in (MORNING, QUIET_HOUR):
        assert attempt(CANCELLED, reason="send_window", window=window, journey=journey) == Done(POSTPONED)
    assert attempt(CANCELLED, reason="expired", window=QUIET_HOUR, journey=journey) == Done(CANCELLED)


def test_a_reservation_is_given_back_on_hold() -> None:
    assert attempt(RESERVED, recipient=HELD) == Close(CANCELLED, "on_hold")
    assert attempt(RESERVED, recipient=HELD, category=TRANSACTIONAL) == Proceed()
    assert attempt(RESERVED, recipient=HELD, journey="exited") == Close(CANCELLED, "journey_ended")
    assert attempt(CANCELLED, recipient=HELD, reason="on_hold") == Done(POSTPONED)


def test_what_a_dead_attempt_left_waits_for_the_end_of_a_hold() -> None:
    assert attempt(SENDING, recipient=HELD, honours=True) == Wait("the person is on hold")
    assert attempt(SENDING, recipient=HELD) == Close(UNKNOWN, "attempt_died")
    assert attempt(SENDING, recipient=HELD, category=TRANSACTIONAL) == Proceed()


def test_what_a_dead_attempt_left_waits_for_the_end_of_quiet_hours_and_is_not_given_back() -> None:
    opens = NOON - timedelta(minutes=15)
    waits = Wait("quiet hours", opens)
    assert attempt(SENDING, window=QUIET_HOUR, honours=True) == waits
    assert attempt(SENDING, window=QUIET_HOUR, honours=True, campaign="paused") == waits
    assert attempt(SENDING, window=QUIET_HOUR, honours=True, late=timedelta(minutes=-15)) == Proceed()
    assert attempt(SENDING, window=QUIET_HOUR, category=TRANSACTIONAL) == Proceed()
    unknown = Close(UNKNOWN, "attempt_died")
    assert attempt(SENDING, window=QUIET_HOUR) == unknown
    assert attempt(SENDING, window=QUIET_DAY, honours=True) == unknown
    assert attempt(SENDING, window=QUIET_HOUR, honours=True, journey="exited") == unknown
    assert attempt(SENDING, window=QUIET_HOUR, honours=True, recipient=REFUSING) == unknown


@pytest.mark.parametrize("journey", ["completed", "exited"])
def test_a_reservation_of_an_ended_journey_is_cancelled_whatever_else(journey: StoredState) -> None:
    for category, recipient in product(("marketing", TRANSACTIONAL), RECIPIENTS.values()):
        found = attempt(RESERVED, category=category, journey=journey, recipient=recipient, late=timedelta(0))
        assert found == Close(CANCELLED, "journey_ended")


@pytest.mark.parametrize(
    ("late", "is_expired"),
    [(-timedelta(microseconds=1), False), (timedelta(0), True), (timedelta(microseconds=1), True)],
)
def test_a_reservation_expires_from_the_instant_on(late: timedelta, is_expired: bool) -> None:
    assert attempt(RESERVED, late=late) == (Close(CANCELLED, "expired") if is_expired else Proceed())
    expected = Close(CANCELLED, "expired") if is_expired else refused("no_consent")
    assert attempt(RESERVED, late=late, recipient=REFUSING) == expected


@pytest.mark.parametrize("reason", ["no_consent", "suppressed", "unreachable"])
def test_what_the_person_has_come_to_refuse_is_cancelled(reason: str) -> None:
    assert attempt(RESERVED, recipient=RECIPIENTS[reason]) == refused(reason)
    passes = reason == "no_consent"
    transactional = attempt(RESERVED, category=TRANSACTIONAL, recipient=RECIPIENTS[reason])
    assert transactional == (Proceed() if passes else refused(reason))


def test_what_the_address_has_come_to_refuse_is_cancelled_and_says_so() -> None:
    expected = Close(CANCELLED, "no_consent", "the address refuses email: unsubscribed by link")
    assert attempt(RESERVED, recipient=REFUSED_BY_ADDRESS) == expected
    assert attempt(RESERVED, category=TRANSACTIONAL, recipient=REFUSED_BY_ADDRESS) == Proceed()


def test_the_whole_table_of_messages_that_a_dead_attempt_left() -> None:
    journeys: tuple[StoredState, ...] = get_args(StoredState)
    table = product(("marketing", TRANSACTIONAL), (False, True), journeys, (-1, 0, 1), RECIPIENTS.items())
    for category, honours, journey, late, (reason, recipient) in table:
        found = attempt(
            SENDING,
            category=category,
            honours=honours,
            journey=journey,
            late=timedelta(microseconds=late),
            recipient=recipient,
        )
        is_repeatable = honours or category == TRANSACTIONAL
        is_allowed = reason == "" or (reason == "no_consent" and category == TRANSACTIONAL)
        is_due = journey == "active" and late < 0 and is_allowed
        expected = Proceed() if is_repeatable and is_due else Close(UNKNOWN, "attempt_died")
        assert found == expected, (category, honours, journey, late, reason)


@pytest.mark.parametrize(
    ("category", "repeats", "later", "may"),
    [
        ("marketing", Never(), 0, False),
        ("marketing", Keyed(), 9_999_999, True),
        ("marketing", Keyed(86_400), 86_399, True),
        ("marketing", Keyed(86_400), 86_400, False),
        ("marketing", Replaces(), 9_999_999, True),
        (TRANSACTIONAL, Never(), 0, True),
        (TRANSACTIONAL, Keyed(60), 61, True),
    ],
)
def test_what_may_be_handed_over_twice(category: str, repeats: Repeats, later: int, may: bool) -> None:
    """`later` is how many seconds after its first hand-over the message would go again."""
    assert may_repeat(category, repeats, NOON, NOON + timedelta(seconds=later)) is may
