"""Recalls: the messages of ended journeys are taken back from their providers.

Desired state: the end of the journey wants the message back, and the provider is asked until it has answered.
"""

from datetime import datetime, timedelta
from typing import Final, assert_never

from msgspec import Struct

from domain.sending.claim import CANCELLED, UNKNOWN, MessageState
from domain.sending.delivery import Ambiguous, Recall, TakenBack, TooLate, Unavailable

TAKEN_BACK: Final = "taken_back"
UNANSWERED: Final = "recall_unanswered"
# An attempt that died may have a request under way: before that is over, no search for its message is conclusive.
SETTLING: Final = timedelta(minutes=2)
FIRST_PAUSE: Final = timedelta(seconds=5)
MAX_PAUSE: Final = timedelta(minutes=5)
# How long after the last instant at which the message could be taken back the provider is still asked.
RECALL_TIMEOUT: Final = timedelta(days=1)


class RecallFacts(Struct, frozen=True):
    """A message that is wanted back.

    `state` is None once it was erased with its person. `attempts` are those at its recall before this one.
    """

    state: MessageState | None
    provider_id: str | None
    claimed_at: datetime | None
    possible_until: datetime
    attempts: int


class AskAgain(Struct, frozen=True):
    """The provider is to be asked at this instant."""

    at: datetime


class Over(Struct, frozen=True):
    """The recall is over: its message gets this state, if there is one."""

    state: MessageState | None = None
    reason: str | None = None
    detail: str | None = None


class Ask(Struct, frozen=True):
    """Ask the provider now."""


def plan_recall(facts: RecallFacts, now: datetime) -> Ask | AskAgain | Over:
    """Decide whether the provider is asked."""
    match facts.state:
        case "failed" | "cancelled":
            return Over()
        case "reserved" | "sending":
            # Its attempt settles it.
            return AskAgain(now + find_pause(facts.attempts))
        case "unknown" if facts.provider_id is None and facts.claimed_at is not None:
            conclusive_at = facts.claimed_at + SETTLING
            return Ask() if now >= conclusive_at else AskAgain(conclusive_at)
        case "sent" | "unknown" | None:
            return Ask()
        case _:
            assert_never(facts.state)


def judge_recall(facts: RecallFacts, recall: Recall, now: datetime) -> AskAgain | Over:
    """Decide by the provider's answer."""
    match recall:
        case TakenBack():
            return Over(CANCELLED, TAKEN_BACK)
        case TooLate(detail=detail):
            return Over(facts.state, None, f"too late to take it back: {detail}")
        case Unavailable() | Ambiguous():
            if now >= facts.possible_until + RECALL_TIMEOUT:
                return Over(UNKNOWN, UNANSWERED, recall.detail)
            pause = find_pause(facts.attempts)
            if isinstance(recall, Unavailable) and recall.retry_after is not None:
                pause = max(pause, timedelta(seconds=recall.retry_after))
            return AskAgain(now + min(pause, MAX_PAUSE))
        case _:
            assert_never(recall)


def find_pause(attempts: int) -> timedelta:
    """Return how long after an attempt the next one follows."""
    doubled: timedelta = FIRST_PAUSE * 2 ** min(attempts, 10)
    return min(MAX_PAUSE, doubled)
