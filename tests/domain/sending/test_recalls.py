"""When a provider is asked to take a message back, and what its answer means."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from domain.sending.claim import MessageState
from domain.sending.delivery import Ambiguous, Recall, TakenBack, TooLate, Unavailable
from domain.sending.recalls import (
    MAX_PAUSE,
    RECALL_TIMEOUT,
    SETTLING,
    Ask,
    AskAgain,
    Over,
    RecallFacts,
    find_pause,
    judge_recall,
    plan_recall,
)

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SENT = RecallFacts("sent", "psc_1", NOW - SECOND, NOW + timedelta(days=1), 0)
LOST = Ambiguous("timed out")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Ask()),
        ({"state": "failed"}, Over()),
        ({"state": "cancelled"}, Over()),
        ({"state": "sending"}, AskAgain(NOW + 5 * SECOND)),
        ({"state": "reserved", "attempts": 2}, AskAgain(NOW + 20 * SECOND)),
        # A request of the attempt that died may be under way.
        ({"state": "unknown", "provider_id": None}, AskAgain(NOW - SECOND + SETTLING)),
        ({"state": "unknown", "provider_id": None, "claimed_at": NOW - SETTLING}, Ask()),
        ({"state": "unknown"}, Ask()),
        ({"provider_id": None}, Ask()),
        # Erased with its person.
        ({"state": None, "provider_id": None, "claimed_at": None}, Ask()),
    ],
)
def test_the_provider_is_asked_for_what_it_may_have(changes: dict[str, Any], expected: Ask | AskAgain | Over) -> None:
    assert plan_recall(replace(SENT, **changes), NOW) == expected


@pytest.mark.parametrize(
    ("state", "recall", "expected"),
    [
        ("sent", TakenBack(), Over("cancelled", "taken_back")),
        ("unknown", TakenBack(), Over("cancelled", "taken_back")),
        ("sent", TooLate("printed"), Over("sent", None, "too late to take it back: printed")),
        ("unknown", TooLate("printed"), Over("unknown", None, "too late to take it back: printed")),
        ("sent", LOST, AskAgain(NOW + 5 * SECOND)),
        ("sent", Unavailable("http_429", "busy", 60), AskAgain(NOW + timedelta(minutes=1))),
        ("sent", Unavailable("account", "bad key", 3_600), AskAgain(NOW + MAX_PAUSE)),
    ],
)
def test_an_answer_is_certain_or_asked_for_again(
    state: MessageState, recall: Recall, expected: AskAgain | Over
) -> None:
    assert judge_recall(replace(SENT, state=state), recall, NOW) == expected


def test_what_nobody_answers_is_unknown_in_the_end() -> None:
    last = SENT.possible_until + RECALL_TIMEOUT
    assert isinstance(judge_recall(SENT, LOST, last - SECOND), AskAgain)
    assert judge_recall(SENT, LOST, last) == Over("unknown", "recall_unanswered", "timed out")


def test_pauses_grow_to_five_minutes() -> None:
    assert [find_pause(attempt) / SECOND for attempt in (0, 1, 5, 6, 1_000)] == [5, 10, 160, 300, 300]
