"""The facts before the gate, and each obstacle in its way."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any, get_args
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from domain.campaign.plan import Fallback, Send
from domain.local_time.windows import LocalWindow
from domain.sending import policy
from domain.sending.budgets import BudgetFull, MoneyBudget
from domain.sending.caps import CapRule, CountedMessage
from domain.sending.fallbacks import EarlierMessage, find_due
from domain.sending.gate_answers import Answer, Held, RefusalReason, Refused
from domain.sending.holds import Hold
from domain.sending.money import Money
from domain.sending.objections import Recipient
from domain.sending.policy import GateDecision, JourneyFacts, Request
from domain.sending.routes import DayFull, NoProvider

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
FALLBACK = Fallback("first.wait", 600, "opened")
STEP = Send("mail", "email", "hello", expires=3_600)
REACHABLE = Recipient({"email": "ada@example.com"}, {}, {})
ONE_A_MINUTE = CapRule("minutely", limit=1, window=60)
HALF_AN_HOUR = timedelta(minutes=30)
LONDON, TOKYO = ZoneInfo("Europe/London"), ZoneInfo("Asia/Tokyo")

HOLD = Hold(UUID(int=1), "user", NOON + timedelta(hours=5), "complaint")

Facts = dict[str, Any]


def facts() -> Facts:
    """Everything as it should be for a message to go."""
    return {
        "step": STEP,
        "at": NOON,
        "journey_state": "active",
        "ended_by": None,
        "campaign_state": "running",
        "overdue": "skip",
        "held_at": None,
        "recipient": REACHABLE,
        "window": LocalWindow(time(9), time(21)),
        "zone": LONDON,
        "ends_at": NOON + timedelta(days=9),
        "rules": [],
        "ledger": [],
    }


def decide(known: Facts) -> GateDecision:
    journey = JourneyFacts(
        known["journey_state"], known["ended_by"], known["campaign_state"], known["overdue"], known["held_at"]
    )
    known = {"sender": None, "before": (), **known}
    of_recipient = {name: known[name] for name in ("window", "zone", "rules", "ledger", "sender", "before")}
    due = find_due(known["step"], known["before"])
    request = Request("m1", known["step"], NOON, known["at"], known["ends_at"], due)
    return policy.decide(request, journey, known["recipient"], **of_recipient)


def journey_ended(known: Facts) -> None:
    known.update(journey_state="exited", ended_by="e1")


def campaign_paused(known: Facts) -> None:
    known.update(campaign_state="paused")


def campaign_not_running(known: Facts) -> None:
    known.update(campaign_state="ended")


def schedule_ended(known: Facts) -> None:
    known.update(ends_at=known["at"])


def paused(known: Facts) -> None:
    known.update(held_at=NOON - HALF_AN_HOUR)


def expired(known: Facts) -> None:
    known.update(step=msgspec.structs.replace(known["step"], expires=1_800), at=NOON + HALF_AN_HOUR)


def not_needed(known: Facts) -> None:
    step = msgspec.structs.replace(known["step"], fallback=FALLBACK, fallback_of="first")
    known.update(step=step, before=[EarlierMessage(UUID(int=3), "webhook", NOON - HALF_AN_HOUR, opened_at=NOON)])


def left_account(known: Facts) -> None:
    known.update(
        recipient=msgspec.structs.replace(known["recipient"], left="the person is no longer a member of the account")
    )


def unreachable(known: Facts) -> None:
    known.update(recipient=msgspec.structs.replace(known["recipient"], traits={}))


def address_changed(known: Facts) -> None:
    known.update(recipient=msgspec.structs.replace(known["recipient"], asked_address="before@example.com"))


def suppressed(known: Facts) -> None:
    known.update(recipient=msgspec.structs.replace(known["recipient"], suppressed={"email": "bounced"}))


def no_consent(known: Facts) -> None:
    known.update(recipient=msgspec.structs.replace(known["recipient"], consent={"email": False}))


def on_hold(known: Facts) -> None:
    known.update(recipient=msgspec.structs.replace(known["recipient"], holds=[HOLD]))


def send_window(known: Facts) -> None:
    known.update(window=LocalWindow(time(9), time(12)))


def capped(known: Facts) -> None:
    known.update(rules=[ONE_A_MINUTE], ledger=[CountedMessage(known["at"], "email", "marketing", campaign="news")])


def warm_up(known: Facts) -> None:
    known.update(sender=DayFull("new", NOON + timedelta(hours=12)))


def over_budget(known: Facts) -> None:
    known.update(sender=BudgetFull("spend", MoneyBudget("day", 50_000_000, "EUR"), Money(7_500, "EUR"), "a", NOON))


def no_provider(known: Facts) -> None:
    known.update(sender=NoProvider())


Obstacle = Callable[[Facts], None]
IN_ORDER: list[Obstacle] = [
    journey_ended,
    campaign_paused,
    campaign_not_running,
    schedule_ended,
    paused,
    expired,
    not_needed,
    left_account,
    unreachable,
    address_changed,
    suppressed,
    no_consent,
    on_hold,
    send_window,
    capped,
    warm_up,
    over_budget,
    no_provider,
]
# The others are named like them. The hours of law are those of phones (test_send_hours.py).
APART = ("journey_ended", "legal_hours")
REASONS: list[RefusalReason] = [reason for reason in get_args(RefusalReason) if reason not in APART]
ANSWERS: dict[Obstacle, Answer] = {
    journey_ended: Refused("journey_ended", journey_ended=True),
    campaign_paused: Held("campaign_paused"),
    on_hold: Held("on_hold", NOON + timedelta(hours=1)),
    **dict(zip((one for one in IN_ORDER[2:] if one is not on_hold), map(Refused, REASONS), strict=True)),
}
DATA: dict[Obstacle, dict[str, Any]] = {
    journey_ended: {"state": "exited", "ended_by": "e1"},
    campaign_paused: {},
    campaign_not_running: {"campaign_state": "ended"},
    schedule_ended: {"ends_at": NOON},
    paused: {"held_at": NOON - HALF_AN_HOUR},
    expired: {"expires_at": NOON + HALF_AN_HOUR, "reached_at": NOON},
    not_needed: {"unless": "opened", "message_id": str(UUID(int=3)), "channel": "webhook", "at": NOON},
    left_account: {"channel": "email", "detail": "the person is no longer a member of the account"},
    unreachable: {"channel": "email", "detail": "the profile has no trait email"},
    address_changed: {"channel": "email", "detail": "the person has another address since the request"},
    suppressed: {"channel": "email", "detail": "bounced", "refused_by": "profile"},
    no_consent: {"channel": "email", "detail": "the profile refuses email", "refused_by": "profile"},
    on_hold: {
        "hold": str(HOLD.id),
        "subject": "user",
        "why": "complaint",
        "until": HOLD.until,
        "timezone": "Europe/London",
    },
    send_window: {
        "opens_at": datetime(2026, 11, 2, 9, tzinfo=UTC),
        "expires_at": NOON + timedelta(hours=1),
        "timezone": "Europe/London",
    },
    capped: {
        "rule": "minutely",
        "limit": 1,
        "count": 1,
        "window_seconds": 60,
        "frees_at": NOON + timedelta(minutes=1),
        "on_capped": "skip",
        "taken": {"news": 1},
        "timezone": "Europe/London",
    },
    warm_up: {"provider": "new", "opens_at": datetime(2026, 11, 2, 9, tzinfo=UTC), "timezone": "Europe/London"},
    over_budget: {
        "rule": "spend",
        "scope": "day",
        "budget": "50.00 EUR",
        "cost": "0.0075 EUR",
        "provider": "a",
        "on_capped": "skip",
    },
    no_provider: {"channel": "email"},
}
