from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from itertools import combinations
from typing import Any, get_args
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pytest

from domain.campaign.plan import Fallback, MessagePriority, OnCapped, Send
from domain.local_time.windows import LocalWindow
from domain.sending import policy
from domain.sending.budgets import BudgetFull, MoneyBudget
from domain.sending.caps import MAX_PERIOD_SECONDS, CapRule, CountedMessage
from domain.sending.fallbacks import EarlierMessage, find_due
from domain.sending.gate_answers import Answer, Deferred, Granted, Held, RefusalReason, Refused
from domain.sending.holds import Hold
from domain.sending.money import Money
from domain.sending.objections import Objection, Recipient, find_objection
from domain.sending.policy import GateDecision, JourneyFacts, Request
from domain.sending.routes import DayFull, NoProvider, SenderChoice

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
    known.update(rules=[ONE_A_MINUTE], ledger=[CountedMessage(known["at"], "email", "marketing")])


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


def test_nothing_in_the_way() -> None:
    assert decide(facts()) == GateDecision(Granted("m1"))


@pytest.mark.parametrize("obstacle", IN_ORDER, ids=lambda obstacle: obstacle.__name__)
def test_each_obstacle_alone_with_its_data(obstacle: Obstacle) -> None:
    known = facts()
    obstacle(known)
    assert decide(known) == GateDecision(ANSWERS[obstacle], DATA[obstacle])


def test_a_message_that_outlives_the_day_waits_for_the_next_one() -> None:
    full = DayFull("new", NOON + timedelta(minutes=30))
    decision = decide({**facts(), "sender": full})
    assert decision.answer == Deferred(full.until, "warm_up")
    assert decision.data == {"until": full.until, "timezone": "Europe/London", "provider": "new"}


def test_the_grant_names_a_provider_whose_sends_have_a_queue() -> None:
    for sender, granted in (
        (SenderChoice("a"), Granted("m1")),
        (SenderChoice("b", is_paced=True), Granted("m1", "b")),
    ):
        assert decide({**facts(), "sender": sender}).answer == granted


def test_of_any_obstacles_the_first_in_order_is_the_reason() -> None:
    for size in range(1, len(IN_ORDER) + 1):
        for chosen in combinations(IN_ORDER, size):
            if campaign_paused in chosen and campaign_not_running in chosen:
                continue  # a campaign has one state
            if warm_up in chosen and no_provider in chosen:
                continue  # nothing is full where nothing is
            if over_budget in chosen and {warm_up, no_provider} & set(chosen):
                continue  # a message that has no provider has no price
            known = facts()
            # Being late comes first: what the others say depends on the instant.
            for obstacle in sorted(chosen, key=lambda obstacle: obstacle is not expired):
                obstacle(known)
            assert decide(known).answer == ANSWERS[chosen[0]], [obstacle.__name__ for obstacle in chosen]


@pytest.mark.parametrize("obstacle", [campaign_paused, on_hold, send_window, capped, warm_up])
def test_a_message_that_goes_at_once_or_not_at_all_never_waits(obstacle: Obstacle) -> None:
    """However much time there is."""
    known = facts()
    obstacle(known)
    patient = msgspec.structs.replace(known["step"], expires=7 * 86_400, on_capped="wait")
    waits = decide({**known, "step": patient})
    at_once = decide({**known, "step": msgspec.structs.replace(patient, at_once=True)})
    assert isinstance(waits.answer, Deferred | Held)
    assert at_once == GateDecision(Refused(waits.answer.reason), {**waits.data, "at_once": True})


def test_a_fallback_is_due_so_long_after_the_message_before() -> None:
    step = msgspec.structs.replace(STEP, fallback=FALLBACK, fallback_of="first", at_once=True)
    before = [EarlierMessage(UUID(int=3), "webhook", NOON - timedelta(seconds=599))]
    known = {**facts(), "step": step, "before": before}
    assert decide(known).answer == Deferred(NOON + timedelta(seconds=1), "fallback")
    assert decide({**known, "at": NOON + timedelta(seconds=1)}).answer == Granted("m1")


def test_a_fallback_expires_so_long_after_it_is_due() -> None:
    """Its step is reached before, if a report about another message has ended the wait."""
    expires = timedelta(seconds=60)
    step = msgspec.structs.replace(STEP, fallback=FALLBACK, fallback_of="first", expires=60)
    due = NOON + timedelta(seconds=FALLBACK.after)
    known = {**facts(), "step": step, "before": [EarlierMessage(UUID(int=3), "webhook", NOON)]}
    assert decide(known).answer == Deferred(due, "fallback")
    assert decide({**known, "at": due + expires - timedelta(seconds=1)}).answer == Granted("m1")
    assert decide({**known, "at": due + expires}).answer == Refused("expired")


@pytest.mark.parametrize(
    ("state", "answer"),
    [
        ("running", Granted("m1")),
        ("stopping", Granted("m1")),
        ("paused", Held("campaign_paused")),
        ("draft", Refused("campaign_not_running")),
        ("scheduled", Granted("m1")),
        ("ended", Refused("campaign_not_running")),
        ("archived", Refused("campaign_not_running")),
    ],
)
def test_the_state_of_the_campaign(state: str, answer: Answer) -> None:
    assert decide({**facts(), "campaign_state": state}).answer == answer


@pytest.mark.parametrize("overdue", ["send", "retime"])
def test_what_was_held_goes_unless_the_campaign_skips_it(overdue: str) -> None:
    assert decide({**facts(), "overdue": overdue, "held_at": NOON}).answer == Granted("m1")


@pytest.mark.parametrize("state", ["completed", "exited"])
def test_the_state_of_the_journey(state: str) -> None:
    assert decide({**facts(), "journey_state": state}).answer == Refused("journey_ended", journey_ended=True)


@pytest.mark.parametrize(
    ("at", "answer"),
    [
        (NOON + timedelta(hours=1) - TICK, Granted("m1")),
        (NOON + timedelta(hours=1), Refused("expired")),
        (NOON + timedelta(hours=1) + TICK, Refused("expired")),
    ],
)
def test_a_message_expires_from_the_instant_on(at: datetime, answer: Answer) -> None:
    assert decide({**facts(), "at": at}).answer == answer


@pytest.mark.parametrize(
    ("frees_after", "answer"),
    [
        (timedelta(hours=1) - TICK, Deferred(NOON + timedelta(hours=1) - TICK, "capped")),
        (timedelta(hours=1), Refused("capped")),
        (timedelta(days=1), Refused("capped")),
    ],
)
def test_waiting_for_a_cap_pays_only_before_the_message_expires(frees_after: timedelta, answer: Answer) -> None:
    known = facts()
    sent = CountedMessage(NOON + frees_after - timedelta(minutes=1), "email", "marketing")
    waits = Send("mail", "email", "hello", expires=3_600, on_capped="wait")
    decided = decide({**known, "step": waits, "rules": [ONE_A_MINUTE], "ledger": [sent]})
    assert decided.answer == answer
    assert decided.data["frees_at"] == NOON + frees_after
    assert decided.data["on_capped"] == "wait"


def test_a_deferred_message_goes_when_asked_again_then() -> None:
    known = {**facts(), "step": Send("mail", "email", "hello", on_capped="wait")}
    capped(known)
    answer = decide(known).answer
    assert isinstance(answer, Deferred)
    assert decide({**known, "at": answer.until - TICK}).answer == answer
    assert decide({**known, "at": answer.until}).answer == Granted("m1")


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


@pytest.mark.parametrize(
    ("rule", "numbers", "frees_at"),
    [
        (CapRule("r", 1, 3_600), {"limit": 1, "count": 2, "window_seconds": 3_600}, "2026-11-01T22:00:00+09:00"),
        (
            CapRule("r", 2, MAX_PERIOD_SECONDS["week"], calendar="week"),
            {"limit": 2, "count": 2, "calendar": "week"},
            "2026-11-02T00:00:00+09:00",
        ),
        (CapRule("r", min_gap=60), {"limit": 1, "count": 2, "min_gap_seconds": 60}, "2026-11-01T21:01:00+09:00"),
    ],
)
def test_a_cap_is_explained_by_its_own_numbers(rule: CapRule, numbers: dict[str, Any], frees_at: str) -> None:
    sent = CountedMessage(NOON, "email", "marketing")
    decided = decide({**facts(), "zone": TOKYO, "window": None, "rules": [rule], "ledger": [sent, sent]})
    assert decided.answer == Refused("capped")
    assert decided.data == {
        "rule": "r",
        **numbers,
        "frees_at": datetime.fromisoformat(frees_at),
        "on_capped": "skip",
        "timezone": "Asia/Tokyo",
    }
    assert decided.data["frees_at"].isoformat() == frees_at


def test_priority_passes_the_caps() -> None:
    known = {**facts(), "step": Send("mail", "email", "hello", priority="high")}
    capped(known)
    assert decide(known).answer == Granted("m1")


def test_those_that_pass_the_caps_take_up_room_where_a_rule_says_so() -> None:
    sent = [CountedMessage(NOON, "email", "marketing", "high")]
    known = {**facts(), "rules": [ONE_A_MINUTE], "ledger": sent}
    assert decide(known).answer == Granted("m1")
    counting = msgspec.structs.replace(ONE_A_MINUTE, counts=("high",))
    assert decide({**known, "rules": [counting]}).answer == Refused("capped")


def test_a_message_expires_with_the_schedule_if_that_ends_first() -> None:
    hour = timedelta(hours=1)
    assert Request("m1", STEP, NOON, NOON).expires_at == NOON + hour
    assert Request("m1", STEP, NOON, NOON, NOON + 2 * hour).expires_at == NOON + hour
    assert Request("m1", STEP, NOON, NOON, NOON + hour / 2).expires_at == NOON + hour / 2


@pytest.mark.parametrize("on_capped", ["skip", "exit"])
def test_what_does_not_wait_is_refused(on_capped: OnCapped) -> None:
    known = {**facts(), "step": Send("mail", "email", "hello", on_capped=on_capped)}
    capped(known)
    assert decide(known).answer == Refused("capped")


def test_a_transactional_message_passes_consent_and_caps_but_not_suppression() -> None:
    known = {**facts(), "step": Send("mail", "email", "hello", category="transactional")}
    no_consent(known)
    capped(known)
    assert decide(known).answer == Granted("m1")
    suppressed(known)
    assert decide(known).answer == Refused("suppressed")


@pytest.mark.parametrize(
    ("traits", "detail"),
    [
        ({}, "the profile has no trait email"),
        ({"email": None}, "the profile has no trait email"),
        ({"email": ""}, "the profile has no trait email"),
        ({"email": 7}, "the profile has no trait email"),
        ({"email": "ada"}, "the trait email is not an e-mail address"),
        ({"email": "ada@example.com\r\nBcc: all@example.com"}, "the trait email is not an e-mail address"),
    ],
)
def test_whom_email_cannot_reach(traits: dict[str, Any], detail: str) -> None:
    assert find_objection("email", "marketing", Recipient(traits, {}, {})) == Objection("unreachable", detail)


def test_other_channels_have_flags_of_their_own() -> None:
    person = Recipient({"email": "ada@example.com"}, {"email": False}, {"webhook": "gone"})
    assert find_objection("webhook", "marketing", Recipient({}, {"email": False}, {"email": "bounced"})) is None
    assert find_objection("email", "marketing", person) == Objection(
        "no_consent", "the profile refuses email", "profile"
    )
    assert find_objection("webhook", "marketing", person) == Objection("suppressed", "gone", "profile")


def test_consent_given_is_no_objection() -> None:
    assert find_objection("email", "marketing", Recipient({"email": "ada@example.com"}, {"email": True}, {})) is None


@pytest.mark.parametrize(
    "answer",
    [
        Granted("m1"),
        Deferred(NOON + TICK, "capped"),
        Held("campaign_paused"),
        Refused("expired"),
        Refused("journey_ended", True),
    ],
)
def test_an_answer_survives_its_way(answer: Answer) -> None:
    assert msgspec.json.decode(msgspec.json.encode(answer), type=Answer) == answer


@pytest.mark.parametrize(
    "stored",
    [
        {"answer": "refused", "reason": "of_a_later_build", "journey_ended": False},
        {"answer": "deferred", "reason": "of_a_later_build", "until": "2026-11-02T08:00:00Z"},
        {"answer": "held", "reason": "of_a_later_build"},
    ],
)
def test_an_answer_of_a_later_build_is_read_after_a_roll_back(stored: dict[str, Any]) -> None:
    answer = msgspec.convert(stored, Answer)
    assert msgspec.to_builtins(answer) == stored


# Holds


def test_a_hold_concerns_marketing_until_it_is_over() -> None:
    on = msgspec.structs.replace(REACHABLE, holds=[HOLD])
    urgent = msgspec.structs.replace(STEP, category="transactional")
    assert decide({**facts(), "recipient": on, "step": urgent}).answer == Granted("m1")
    over = {**facts(), "recipient": on, "at": HOLD.until, "step": msgspec.structs.replace(STEP, expires=86_400)}
    assert decide(over).answer == Granted("m1")


def test_a_hold_that_ends_before_the_message_expires_lasts_as_long() -> None:
    long = msgspec.structs.replace(STEP, expires=86_400)
    sooner = msgspec.structs.replace(HOLD, id=UUID(int=2), until=NOON + timedelta(hours=2))
    on = msgspec.structs.replace(REACHABLE, holds=[sooner, HOLD])
    decision = decide({**facts(), "recipient": on, "step": long})
    assert decision.answer == Held("on_hold", HOLD.until)
    assert decision.data["hold"] == str(HOLD.id)
