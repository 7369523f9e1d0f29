from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

import msgspec
import pytest

from domain.campaign.plan import Send
from domain.sending import policy
from domain.sending.caps import CapRule, Counted
from domain.sending.policy import (
    Answer,
    Decision,
    Deferred,
    Granted,
    Held,
    Objection,
    Recipient,
    Refused,
    Request,
    objection,
)

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
STEP = Send("mail", "email", "hello", expires=3_600)
REACHABLE = Recipient({"email": "ada@example.com"}, {}, {})
ONE_A_MINUTE = CapRule("minutely", limit=1, window=60)

Facts = dict[str, Any]


def facts() -> Facts:
    """Everything as it should be for a message to go."""
    return {
        "step": STEP,
        "at": NOON,
        "journey_state": "active",
        "ended_by": None,
        "campaign_state": "running",
        "recipient": REACHABLE,
        "rules": [],
        "ledger": [],
    }


def decide(known: Facts) -> Decision:
    rest = {name: value for name, value in known.items() if name not in ("step", "at")}
    return policy.decide(Request("m1", known["step"], NOON, known["at"]), **rest)


def journey_ended(known: Facts) -> None:
    known.update(journey_state="exited", ended_by="e1")


def campaign_paused(known: Facts) -> None:
    known.update(campaign_state="paused")


def campaign_not_running(known: Facts) -> None:
    known.update(campaign_state="ended")


def expired(known: Facts) -> None:
    known.update(at=NOON + timedelta(hours=1))


def unreachable(known: Facts) -> None:
    known.update(recipient=msgspec.structs.replace(known["recipient"], traits={}))


def suppressed(known: Facts) -> None:
    known.update(recipient=msgspec.structs.replace(known["recipient"], suppressed={"email": "bounced"}))


def no_consent(known: Facts) -> None:
    known.update(recipient=msgspec.structs.replace(known["recipient"], consent={"email": False}))


def capped(known: Facts) -> None:
    known.update(rules=[ONE_A_MINUTE], ledger=[Counted(known["at"], "email", "marketing")])


Obstacle = Callable[[Facts], None]
IN_ORDER: list[Obstacle] = [
    journey_ended,
    campaign_paused,
    campaign_not_running,
    expired,
    unreachable,
    suppressed,
    no_consent,
    capped,
]
ANSWERS: dict[Obstacle, Answer] = {
    journey_ended: Refused("journey_ended", journey_ended=True),
    campaign_paused: Held("campaign_paused"),
    **{obstacle: Refused(obstacle.__name__) for obstacle in IN_ORDER[2:]},
}
DATA: dict[Obstacle, dict[str, Any]] = {
    journey_ended: {"state": "exited", "ended_by": "e1"},
    campaign_paused: {},
    campaign_not_running: {"campaign_state": "ended"},
    expired: {"expires_at": NOON + timedelta(hours=1), "reached_at": NOON},
    unreachable: {"channel": "email", "detail": "the profile has no trait email"},
    suppressed: {"channel": "email", "detail": "bounced"},
    no_consent: {"channel": "email", "detail": "the profile refuses email"},
    capped: {
        "rule": "minutely",
        "limit": 1,
        "window_seconds": 60,
        "count": 1,
        "frees_at": NOON + timedelta(minutes=1),
        "on_capped": "skip",
    },
}


def test_nothing_in_the_way() -> None:
    assert decide(facts()) == Decision(Granted("m1"))


@pytest.mark.parametrize("obstacle", IN_ORDER, ids=lambda obstacle: obstacle.__name__)
def test_each_obstacle_alone_with_its_data(obstacle: Obstacle) -> None:
    known = facts()
    obstacle(known)
    assert decide(known) == Decision(ANSWERS[obstacle], DATA[obstacle])


def test_of_any_obstacles_the_first_in_order_is_the_reason() -> None:
    for size in range(1, len(IN_ORDER) + 1):
        for chosen in combinations(IN_ORDER, size):
            if campaign_paused in chosen and campaign_not_running in chosen:
                continue  # a campaign has one state
            known = facts()
            for obstacle in chosen:
                obstacle(known)
            assert decide(known).answer == ANSWERS[chosen[0]], [obstacle.__name__ for obstacle in chosen]


@pytest.mark.parametrize(
    ("state", "answer"),
    [
        ("running", Granted("m1")),
        ("stopping", Granted("m1")),
        ("paused", Held("campaign_paused")),
        ("draft", Refused("campaign_not_running")),
        ("scheduled", Refused("campaign_not_running")),
        ("ended", Refused("campaign_not_running")),
    ],
)
def test_the_state_of_the_campaign(state: str, answer: Answer) -> None:
    assert decide({**facts(), "campaign_state": state}).answer == answer


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
    sent = Counted(NOON + frees_after - timedelta(minutes=1), "email", "marketing")
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


@pytest.mark.parametrize("on_capped", ["skip", "exit"])
def test_what_does_not_wait_is_refused(on_capped: str) -> None:
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
    assert objection("email", "marketing", Recipient(traits, {}, {})) == Objection("unreachable", detail)


def test_other_channels_have_flags_of_their_own() -> None:
    person = Recipient({"email": "ada@example.com"}, {"email": False}, {"push": "uninstalled"})
    assert objection("webhook", "marketing", Recipient({}, {"email": False}, {"email": "bounced"})) is None
    assert objection("email", "marketing", person) == Objection("no_consent", "the profile refuses email")
    assert objection("push", "marketing", person) == Objection("suppressed", "uninstalled")


def test_consent_given_is_no_objection() -> None:
    assert objection("email", "marketing", Recipient({"email": "ada@example.com"}, {"email": True}, {})) is None


@pytest.mark.parametrize(
    "answer",
    [Granted("m1"), Deferred(NOON + TICK, "capped"), Held("campaign_paused"), Refused("x"), Refused("x", True)],
)
def test_an_answer_survives_its_way(answer: Answer) -> None:
    assert msgspec.json.decode(msgspec.json.encode(answer), type=Answer) == answer
