"""A message waits for the recipient's hours, if that pays."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from domain.campaign.plan import MessagePriority, Send
from domain.local_time.windows import LocalWindow
from domain.sending.caps import CountedMessage
from domain.sending.gate_answers import Deferred, Granted, Refused
from domain.sending.policy import GateDecision
from tests.domain.sending.gate_facts import (
    LONDON,
    NOON,
    ONE_A_MINUTE,
    TICK,
    TOKYO,
    Facts,
    decide,
    facts,
)

# Sunday 21:00 in London is Monday 6:00 in Tokyo.
EVENING = datetime(2026, 11, 1, 21, tzinfo=UTC)
DAYTIME = LocalWindow(time(9), time(21))


def in_the_evening(**more: Any) -> Facts:
    """A message reached at NOON, with hours to spare, asked for when London's window has just closed."""
    step = Send("mail", "email", "hello", expires=24 * 3_600)
    return {**facts(), "at": EVENING, "step": step, "window": DAYTIME, **more}


@pytest.mark.parametrize(
    ("zone", "opens"),
    [(LONDON, datetime(2026, 11, 2, 9, tzinfo=UTC)), (TOKYO, datetime(2026, 11, 2, 0, tzinfo=UTC))],
    ids=str,
)
def test_a_closed_window_defers_to_the_recipients_morning(zone: ZoneInfo, opens: datetime) -> None:
    known = in_the_evening(zone=zone)
    decided = decide(known)
    assert decided.answer == Deferred(opens, "send_window")
    assert decided.data == {"until": opens, "timezone": zone.key}
    assert decided.data["until"].isoformat() == f"2026-11-02T09:00:00+0{9 if zone is TOKYO else 0}:00"
    assert decide({**known, "at": opens - TICK}) == decided
    assert decide({**known, "at": opens}).answer == Granted("m1")


def test_the_window_closes_on_the_instant() -> None:
    assert decide(in_the_evening(at=EVENING - TICK)).answer == Granted("m1")
    assert isinstance(decide(in_the_evening(at=EVENING)).answer, Deferred)


@pytest.mark.parametrize(("late", "deferred"), [(-TICK, False), (timedelta(0), False), (TICK, True)])
def test_nothing_sleeps_for_a_window_that_opens_too_late(late: timedelta, deferred: bool) -> None:
    opens = datetime(2026, 11, 2, 9, tzinfo=UTC)
    decided = decide(in_the_evening(ends_at=opens + late))
    if deferred:
        assert decided.answer == Deferred(opens, "send_window")
    else:
        assert decided == GateDecision(
            Refused("send_window"), {"opens_at": opens, "expires_at": opens + late, "timezone": "Europe/London"}
        )


def test_transactional_messages_pass_the_window_and_those_of_high_priority_do_not() -> None:
    cases: list[tuple[str, MessagePriority, bool]] = [
        ("transactional", "normal", True),
        ("transactional", "high", True),
        ("marketing", "high", False),
        ("marketing", "normal", False),
    ]
    for category, priority, passes in cases:
        step = Send("mail", "email", "hello", category=category, priority=priority)
        assert (decide(in_the_evening(step=step)).answer == Granted("m1")) is passes


def test_without_a_window_every_hour_will_do() -> None:
    assert decide(in_the_evening(window=None)).answer == Granted("m1")


def test_a_capped_message_waits_until_the_caps_allow_and_the_window_is_open() -> None:
    step = Send("mail", "email", "hello", on_capped="wait", expires=48 * 3_600)
    noon_again = NOON + timedelta(days=1)
    for frees_at, until in (
        (EVENING - timedelta(hours=1), EVENING - timedelta(hours=1)),
        (EVENING - TICK, EVENING - TICK),
        (EVENING, datetime(2026, 11, 2, 9, tzinfo=UTC)),
        (EVENING + timedelta(hours=3), datetime(2026, 11, 2, 9, tzinfo=UTC)),
        (noon_again, noon_again),
    ):
        sent = CountedMessage(frees_at - timedelta(minutes=1), "email", "marketing")
        known = in_the_evening(at=NOON, step=step, rules=[ONE_A_MINUTE], ledger=[sent])
        decided = decide(known)
        assert decided.answer == Deferred(until, "capped")
        assert decided.data["frees_at"] == frees_at
        assert decided.data.get("opens_at") == (until if until > frees_at else None)
        assert decide({**known, "at": until}).answer == Granted("m1")


def test_a_cap_that_frees_in_quiet_hours_is_not_waited_for_beyond_the_expiry() -> None:
    step = Send("mail", "email", "hello", on_capped="wait", expires=21 * 3_600)
    sent = CountedMessage(EVENING, "email", "marketing")
    decided = decide(in_the_evening(at=NOON, step=step, rules=[ONE_A_MINUTE], ledger=[sent]))
    assert decided.answer == Refused("capped")
    assert decided.data["frees_at"] < NOON + timedelta(hours=21) <= decided.data["opens_at"]
