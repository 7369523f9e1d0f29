from datetime import UTC, datetime, timedelta

import pytest

from domain.campaign.plan import Act, Delay, Plan, Repeat, Send, Until, WaitFor
from domain.journey.machine import after, begin, next_command, status
from domain.journey.protocol import Authorize, AwaitMatch, LookUp, SleepUntil, Woke
from domain.journey.recovery import Lost, recover

AT = datetime(2026, 11, 1, 10, tzinfo=UTC)
PLAN = Plan(
    start="rest",
    nodes={
        "rest": Delay(id="rest", seconds=3_600, next="hello"),
        "hello": Send(id="hello", channel="email", template="note", next="reply"),
        "reply": WaitFor(id="reply", subscriptions=(), timeout=86_400, on_timeout="again"),
        "again": Repeat(id="again", body="ping", every=86_400, times=3, next="day"),
        "ping": Send(id="ping", channel="email", template="note", next="pause"),
        "pause": Delay(id="pause", seconds=60, next="again"),
        "day": Until(id="day", next="last"),
        "last": Act(id="last", action="set_stage"),
    },
    loops={"ping": "again", "pause": "again"},
)
LATER = AT + timedelta(minutes=5)


@pytest.mark.parametrize("step", ["gone", None])
def test_a_journey_whose_step_nobody_knows_begins_anew(step: str | None) -> None:
    assert recover(PLAN, Lost(step), AT, "s") is None


def test_it_rests_until_when_it_would_have() -> None:
    state = recover(PLAN, Lost("rest", LATER), AT, "s")
    assert state is not None
    assert next_command(PLAN, state) == SleepUntil(LATER, "delay rest")
    waiting = recover(PLAN, Lost("reply", LATER, {"hello": 1}), AT, "s")
    assert waiting is not None
    assert next_command(PLAN, waiting) == AwaitMatch(LATER)
    assert waiting.seed == "s"


def test_it_asks_what_it_asked_at_its_last_visit() -> None:
    """So that the gate answers what it did, and the ledger knows the message."""
    state = recover(PLAN, Lost("ping", visits={"hello": 1, "ping": 2}), AT, "s")
    assert state is not None
    command = next_command(PLAN, state)
    assert isinstance(command, Authorize)
    assert (command.step, command.visit, command.attempt) == ("ping", 2, 1)
    first = recover(PLAN, Lost("hello"), AT, "s")
    assert first is not None
    assert isinstance(asked := next_command(PLAN, first), Authorize)
    assert (asked.visit, asked.attempt) == (1, 1)
    until = recover(PLAN, Lost("day", LATER), AT, "s")
    assert until is not None
    assert isinstance(looked_up := next_command(PLAN, until), LookUp)
    assert (looked_up.visit, looked_up.attempt) == (1, 1)


def test_it_goes_on_in_its_round_and_has_no_more_rounds_than_were_left() -> None:
    state = recover(PLAN, Lost("pause", LATER, {"hello": 1, "ping": 2}), AT, "s")
    assert state is not None
    second_done = after(PLAN, state, Woke(), LATER)
    assert status(PLAN, second_done) == ("again", "waiting")
    third = after(PLAN, second_done, Woke(), LATER + timedelta(days=1))
    assert isinstance(asked := next_command(PLAN, third), Authorize)
    assert (asked.step, asked.visit) == ("ping", 3)
    assert third.loops["again"].done == 2


def test_between_two_rounds_it_waits_for_the_next() -> None:
    state = recover(PLAN, Lost("again", LATER, {"hello": 1, "ping": 1}), AT, "s")
    assert state is not None
    assert next_command(PLAN, state) == SleepUntil(LATER, "next round of again")
    second = after(PLAN, state, Woke(), LATER)
    assert isinstance(asked := next_command(PLAN, second), Authorize)
    assert (asked.step, asked.visit) == ("ping", 2)


def test_recovered_at_each_step_it_is_where_it_was() -> None:
    for step in PLAN.nodes:
        state = recover(PLAN, Lost(step, LATER), AT, "s")
        assert state is not None
        assert state.step == step
        assert begin(PLAN, AT, "s").seed == state.seed
