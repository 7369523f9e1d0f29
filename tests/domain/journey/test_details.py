from datetime import timedelta

import pytest

from domain.campaign.plan import Act, Arm, Branch, Delay, Exit, Plan, Repeat, Send, Split, Subscription, Until, WaitFor
from domain.journey import machine
from domain.journey.details import describe
from domain.journey.protocol import (
    Answered,
    Evaluated,
    Exited,
    Fact,
    LookedUp,
    Matched,
    Performed,
    Resumed,
    Settled,
    Skipped,
    Woke,
)
from domain.sending.gate_answers import Deferred, Granted, Held, Refused
from tests.domain.strategies import NOON, plan_of

EVERYTHING = plan_of(
    Until("nine", "half", "half"),
    Split("half", (Arm("a", "tag"), Arm("b", "tag"))),
    Act("tag", "update_profile", "again"),
    Repeat("again", "mail", every=3_600, times=2, until="again/0", checks=True),
    Send("mail", "email", "hello", next="again"),
    loops={"mail": "again"},
    ends_at=NOON + timedelta(days=1),
)
PLAN = plan_of(
    Delay("pause", 60, "mail"),
    Send("mail", "email", "hello", next="seen"),
    WaitFor("seen", (Subscription("seen/0"),), 60, "fork"),
    Branch("fork", (None,), "end"),
    Exit("end", "lost"),
)
ASKING = (Woke(),)
SENDING = (*ASKING, Answered(Granted("m1")))
WAITING = (*SENDING, Settled("sent", journey_ended=False))
AT_FORK = (*WAITING, Woke())
DEFERRED = (*ASKING, Answered(Deferred(NOON + timedelta(hours=2), "capped")))
HELD = (*ASKING, Answered(Held("campaign_paused")))


def described(*facts: Fact, plan: Plan = PLAN) -> str:
    """What is said after these facts, one a minute."""
    state = machine.begin(plan, NOON)
    for minute, fact in enumerate(facts, start=1):
        state = machine.after(plan, state, fact, NOON + timedelta(minutes=minute))
    return describe(plan, state)


@pytest.mark.parametrize(
    ("facts", "now"),
    [
        ((), "**Waiting** at `pause` until 2026-11-01 12:01:00 UTC: delay"),
        (ASKING, "**Asking** whether `mail` may go by email"),
        (DEFERRED, "**Deferred** at `mail` until 2026-11-01 14:00:00 UTC: capped"),
        (
            (*ASKING, Answered(Deferred(NOON + timedelta(hours=2), "send_window"))),
            "**Deferred** at `mail` until 2026-11-01 14:00:00 UTC: send window",
        ),
        (HELD, "**Held** at `mail`: campaign paused"),
        ((*HELD, Resumed()), "**Asking** whether `mail` may go by email"),
        (SENDING, "**Sending** `mail` by email"),
        (WAITING, "**Waiting** at `seen` until 2026-11-01 12:04:00 UTC: for an event"),
        (AT_FORK, "**Deciding** at `fork`"),
        ((*AT_FORK, Evaluated(0)), "**Over**: completed"),
        ((*AT_FORK, Evaluated(None)), "**Over**: lost"),
        ((*SENDING, Exited("e1")), "**Over**: exited"),
        ((*ASKING, Answered(Refused("journey_ended", journey_ended=True))), "**Over**: exited"),
    ],
)
def test_the_first_line_says_what_it_does_now(facts: tuple[Fact, ...], now: str) -> None:
    assert described(*facts).partition("\n")[0] == now


AT_HALF = (LookedUp(None),)
AT_TAG = (*AT_HALF, Evaluated(0))
AT_AGAIN = (*AT_TAG, Performed(journey_ended=False))
AT_MAIL = (*AT_AGAIN, Evaluated(None))
BETWEEN = (*AT_MAIL, Answered(Granted("m1")), Settled("sent", journey_ended=False))


@pytest.mark.parametrize(
    ("facts", "now"),
    [
        ((), "**Asking** until when `nine` waits"),
        ((LookedUp(NOON + timedelta(hours=3)),), "**Waiting** at `nine` until 2026-11-01 15:00:00 UTC: delay"),
        (
            (LookedUp(NOON + timedelta(days=3)),),
            "**Waiting** at `nine` until 2026-11-02 12:00:00 UTC, when the schedule ends: delay",
        ),
        (AT_HALF, "**Deciding** at `half`"),
        (AT_TAG, "**Doing** `tag`: update_profile"),
        (AT_AGAIN, "**Deciding** at `again`"),
        (BETWEEN, "**Waiting** at `again` until 2026-11-01 13:06:00 UTC: for the next round"),
        ((*BETWEEN, Matched("again/0", "e1")), "**Over**: completed"),
        (
            (*AT_MAIL, Answered(Held("campaign_paused"))),
            "**Held** at `mail` until 2026-11-02 12:00:00 UTC, when the schedule ends: campaign paused",
        ),
    ],
)
def test_the_first_line_speaks_of_every_kind_of_step(facts: tuple[Fact, ...], now: str) -> None:
    assert described(*facts, plan=EVERYTHING).partition("\n")[0] == now


def test_it_says_that_the_schedule_has_ended() -> None:
    state = machine.after(EVERYTHING, machine.begin(EVERYTHING, NOON), LookedUp(None), NOON + timedelta(days=1))
    assert describe(EVERYTHING, state).splitlines() == [
        "**Over**: schedule-ended",
        "",
        "- 2026-11-02 12:00:00 UTC `nine` no such date",
        "- 2026-11-02 12:00:00 UTC `half` the schedule ended",
    ]


def test_it_says_that_a_wait_was_skipped() -> None:
    assert described(Skipped("pause")).splitlines() == [
        "**Asking** whether `mail` may go by email",
        "",
        "- 2026-11-01 12:01:00 UTC `pause` wait skipped",
    ]


def test_the_rest_says_what_it_has_done_oldest_first() -> None:
    assert described(*WAITING, Matched("seen/0", "e1"), Woke()).splitlines() == [
        "**Over**: completed",
        "",
        "- 2026-11-01 12:01:00 UTC `pause` waited",
        "- 2026-11-01 12:03:00 UTC `mail` sent",
        "- 2026-11-01 12:05:00 UTC `seen` event e1",
    ]


def test_a_journey_that_has_done_nothing_has_one_line() -> None:
    assert len(described().splitlines()) == 1
