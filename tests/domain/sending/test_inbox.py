from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from domain.campaign.plan import MessagePriority
from domain.sending.caps import CapRule, CountedMessage
from domain.sending.inbox import (
    MIN_POLL_SECONDS,
    POLL_SECONDS,
    GiveResult,
    InboxState,
    WaitingMessage,
    choose_given,
    find_next_poll,
    is_used_up,
)

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
UTC_ZONE = ZoneInfo("UTC")
DAILY = CapRule("daily", limit=2, window=86_400)


def waiting(number: int, *, priority: MessagePriority = "normal", interrupts: bool = True) -> WaitingMessage:
    return WaitingMessage(UUID(int=number), "in_app", "marketing", priority, UTC_ZONE, interrupts)


def given(chosen: GiveResult) -> list[int]:
    return [one.int for one in chosen.given]


def test_no_more_is_given_than_the_caps_allow() -> None:
    sent = CountedMessage(AT - timedelta(hours=1), "email", "marketing")
    chosen = choose_given([waiting(1), waiting(2), waiting(3)], [DAILY], [sent], AT)
    assert (given(chosen), chosen.frees_at) == ([1], AT + timedelta(hours=23))


def test_what_does_not_interrupt_passes_and_is_not_counted() -> None:
    cards = [waiting(number, interrupts=False) for number in range(3)]
    chosen = choose_given([*cards, waiting(7), waiting(8), waiting(9)], [DAILY], [], AT)
    assert given(chosen) == [0, 1, 2, 7, 8]


def test_high_priority_passes() -> None:
    sent = [CountedMessage(AT, "email", "marketing")] * 2
    assert given(choose_given([waiting(1), waiting(2, priority="high")], [DAILY], sent, AT)) == [2]


def test_the_earliest_room_is_when_a_page_asks_again() -> None:
    assert find_next_poll(None, AT) == POLL_SECONDS
    assert find_next_poll(AT + timedelta(seconds=5), AT) == 5
    assert find_next_poll(AT + timedelta(days=1), AT) == POLL_SECONDS
    assert find_next_poll(AT, AT) == MIN_POLL_SECONDS


SHOWN, CLICKED, DISMISSED = {"shown_at": AT}, {"clicked_at": AT}, {"dismissed_at": AT}


@pytest.mark.parametrize(
    ("every", "reported", "is_over"),
    [
        ({"kind": "once"}, {}, False),
        ({"kind": "once"}, SHOWN, True),
        ({"kind": "until_clicked"}, SHOWN | DISMISSED, False),
        ({"kind": "until_clicked"}, CLICKED, True),
        ({"kind": "until_dismissed"}, SHOWN | CLICKED, False),
        ({"kind": "until_dismissed"}, DISMISSED, True),
        ({"kind": "each_session"}, SHOWN | CLICKED | DISMISSED, False),
        ({"kind": "each_session"}, {"completed_at": AT}, True),
    ],
)
def test_a_message_is_used_up_by_reactions(every: dict[str, Any], reported: dict[str, datetime], is_over: bool) -> None:
    assert is_used_up(message(every, (), **reported), AT) is is_over


def test_times_are_counted_within_their_span() -> None:
    shows = [AT - timedelta(days=days) for days in (1, 8, 9)]
    thrice = {"kind": "times", "times": 3}
    assert is_used_up(message(thrice, shows), AT)
    assert not is_used_up(message(thrice | {"per_seconds": 7 * 86_400}, shows), AT)
    assert is_used_up(message({"kind": "times", "times": 1, "per_seconds": 7 * 86_400}, shows), AT)


def message(every: dict[str, Any], shows: Sequence[datetime] = (), **reported: datetime) -> InboxState:
    times = dict.fromkeys(("shown_at", "clicked_at", "dismissed_at", "completed_at"))
    known: dict[str, Any] = {
        "message_id": UUID(int=1),
        "seq": 1,
        "channel": "in_app",
        "kind": "banner",
        "placement": None,
        "priority": 50,
        "every": every,
        "size": 100,
        "expires_at": AT + timedelta(days=1),
        "given_at": AT,
        "shows": shows,
    }
    return InboxState(**{**known, **times, **reported})
