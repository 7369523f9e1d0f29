from datetime import timedelta

import pytest

from domain.campaign.plan import Branch, Delay, Exit, Send, Subscription, WaitFor
from domain.journey import machine
from domain.journey.details import describe
from domain.journey.protocol import Answered, Evaluated, Exited, Fact, Matched, Resumed, Settled, Woke
from domain.sending.policy import Deferred, Granted, Held, Refused
from tests.domain.strategies import NOON, plan_of

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


def described(*facts: Fact) -> str:
    """What is said after these facts, one a minute."""
    state = machine.begin(PLAN, NOON)
    for minute, fact in enumerate(facts, start=1):
        state = machine.after(PLAN, state, fact, NOON + timedelta(minutes=minute))
    return describe(PLAN, state)


@pytest.mark.parametrize(
    ("facts", "now"),
    [
        ((), "**Waiting** at `pause` until 2026-11-01 12:01:00 UTC: delay"),
        (ASKING, "**Asking** whether `mail` may go by email"),
        (DEFERRED, "**Deferred** at `mail` until 2026-11-01 14:00:00 UTC: capped"),
        (HELD, "**Held** at `mail`: campaign_paused"),
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
