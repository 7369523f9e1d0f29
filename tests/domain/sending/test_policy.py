from datetime import datetime, timedelta
from itertools import combinations
from typing import Any
from uuid import UUID

import msgspec
import pytest

from domain.campaign.plan import OnCapped, Send
from domain.sending.caps import MAX_PERIOD_SECONDS, CapRule, CountedMessage
from domain.sending.fallbacks import EarlierMessage
from domain.sending.gate_answers import Answer, Deferred, Granted, Held, Refused
from domain.sending.objections import Objection, Recipient, find_objection
from domain.sending.policy import GateDecision, Request
from domain.sending.routes import DayFull, SenderChoice
from tests.domain.sending.gate_facts import (
    ANSWERS,
    DATA,
    FALLBACK,
    HOLD,
    IN_ORDER,
    NOON,
    ONE_A_MINUTE,
    REACHABLE,
    STEP,
    TICK,
    TOKYO,
    Obstacle,
    campaign_not_running,
    campaign_paused,
    capped,
    decide,
    expired,
    facts,
    no_consent,
    no_provider,
    on_hold,
    over_budget,
    send_window,
    suppressed,
    warm_up,
)


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
    sent = CountedMessage(NOON, "email", "marketing", campaign="news")
    decided = decide({**facts(), "zone": TOKYO, "window": None, "rules": [rule], "ledger": [sent, sent]})
    assert decided.answer == Refused("capped")
    assert decided.data == {
        "rule": "r",
        **numbers,
        "frees_at": datetime.fromisoformat(frees_at),
        "on_capped": "skip",
        "taken": {"news": 2},
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
