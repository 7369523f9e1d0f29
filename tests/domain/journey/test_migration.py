"""Journeys that go on under another version, and those that stay on theirs."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.campaign.compile import compile_plan
from domain.campaign.derive_rules import derive_rules
from domain.campaign.plan import Act, Delay, Plan, Repeat, Send, Subscription, Until, WaitFor
from domain.campaign.rules import EntryRule, EventRule, Rules
from domain.journey import machine, migration
from domain.journey.details import describe
from domain.journey.migration import CannotMigrate, find_obstacle, find_shared_subscriptions, is_movable, migrate_state
from domain.journey.protocol import (
    Answered,
    AwaitResume,
    Finish,
    LookedUp,
    LookUp,
    Matched,
    Resumed,
    SleepUntil,
)
from domain.journey.state import SCHEDULE_ENDED, JourneyState, Match
from domain.sending.gate_answers import Deferred, Granted, Held
from tests.domain.journey.machine_driver import MachineDriver
from tests.domain.strategies import NOON, Tape, campaign, event, fitting, noise, plan_of, tapes
from tests.proofs import rounds

HOUR = timedelta(hours=1)
HELLO = Send(id="hello", channel="email", template="hello")
WAIT = WaitFor(id="seen", subscriptions=(Subscription("seen/0", "hello"), Subscription("seen/1")), timeout=3_600)
ALIKE = ("seen/0", "seen/1", "again/0")


def moved(driver: MachineDriver, new: Plan, alike: tuple[str, ...] = ALIKE) -> MachineDriver:
    """The journey under the new plan."""
    state = migrate_state(driver.plan, new, driver.state, alike, driver.at, (1, 2))
    assert isinstance(state, JourneyState)
    driver.plan, driver.state = new, state
    return driver


def stays(driver: MachineDriver, new: Plan) -> str:
    """Why the journey stays."""
    found = migrate_state(driver.plan, new, driver.state, ALIKE, driver.at, (1, 2))
    assert isinstance(found, CannotMigrate)
    assert found == find_obstacle(driver.plan, new, driver.state.step or "")
    assert f"step {driver.state.step} " in found.text
    return found.reason


def test_a_rest_that_has_begun_ends_when_it_was_to_end_and_is_followed_by_what_is_new() -> None:
    driver = MachineDriver(plan_of(Delay("rest", 3_600, "hello"), HELLO))
    moved(driver, plan_of(Delay("rest", 60, "tag"), Act("tag", "set_stage", "hello"), HELLO))
    assert driver.command() == SleepUntil(NOON + HOUR, "delay rest")
    assert driver.history == [("rest", "moved from version 1 to 2")]
    driver.wake()
    assert driver.state.step == "tag"


def test_a_journey_whose_step_is_gone_stays() -> None:
    assert stays(MachineDriver(plan_of(Delay("rest", 60))), plan_of(Delay("pause", 60))) == migration.STEP_REMOVED


@pytest.mark.parametrize("other", [Until("rest"), replace(WAIT, id="rest"), replace(HELLO, id="rest")])
def test_a_journey_whose_step_does_something_else_now_stays(other: Until | WaitFor | Send) -> None:
    assert stays(MachineDriver(plan_of(Delay("rest", 60))), plan_of(other, HELLO)) == migration.KIND_CHANGED


def test_what_keeps_a_journey_names_both_kinds() -> None:
    found = find_obstacle(plan_of(Delay("rest", 60)), plan_of(replace(WAIT, id="rest"), HELLO), "rest")
    assert found == CannotMigrate("kind_changed", "step rest is `wait_for` now and was `delay`", "rest")


def test_a_delay_until_a_date_is_looked_up_on_waking_by_the_new_version() -> None:
    driver = MachineDriver(plan_of(Until("due", "hello"), HELLO)).tell(LookedUp(NOON + HOUR))
    moved(driver, plan_of(Until("due", "later"), Delay("later", 60)))
    assert driver.command() == SleepUntil(NOON + HOUR, "delay due")
    assert driver.wake().command() == LookUp("due", 1, 2, NOON)
    assert driver.tell(LookedUp(NOON + HOUR)).state.step == "later"


def test_a_message_that_waits_is_asked_for_under_the_new_version() -> None:
    driver = MachineDriver(plan_of(HELLO)).tell(Answered(Deferred(NOON + HOUR, "capped")))
    moved(driver, plan_of(replace(HELLO, channel="webhook", next="rest"), Delay("rest", 60)))
    assert driver.command() == SleepUntil(NOON + HOUR, "deferred hello: capped")
    driver.wake()
    assert (driver.state.attempt, driver.state.visits) == (2, {"hello": 1})


def test_a_message_that_is_held_goes_on_being_held() -> None:
    driver = MachineDriver(plan_of(HELLO)).tell(Answered(Held("campaign_paused")))
    moved(driver, plan_of(replace(HELLO, next="rest"), Delay("rest", 60)))
    assert driver.command() == AwaitResume()
    assert driver.tell(Resumed()).state.phase == "deciding"


def test_a_journey_that_has_asked_for_something_is_not_moved() -> None:
    driver = MachineDriver(plan_of(HELLO))
    assert not is_movable(driver.plan, driver.state)
    driver.tell(Answered(Granted("m")))
    assert not is_movable(driver.plan, driver.state)
    with pytest.raises(ValueError, match="only while it rests"):
        migrate_state(driver.plan, driver.plan, driver.state, (), NOON, (1, 2))


def test_a_wait_that_is_over_already_is_not_moved() -> None:
    driver = MachineDriver(plan_of(WAIT, HELLO))
    assert is_movable(driver.plan, driver.state)
    assert not is_movable(driver.plan, driver.tell(Matched("seen/0", "e1")).state)


def test_an_event_heard_counts_no_more_where_its_place_means_another() -> None:
    """The first round was ended by nothing; `again/0` is what ends the repetition, and was not what it is now."""
    repeat = Repeat("again", body="rest", every=60, until="again/0", next="hello")
    plan = plan_of(repeat, Delay("rest", 3_600, "again"), HELLO, loops={"rest": "again"})
    heard = replace(MachineDriver(plan).state, matches={"again/0": Match("e1", NOON - HOUR)})
    kept = migrate_state(plan, plan, heard, ["again/0"], NOON, (1, 2))
    dropped = migrate_state(plan, plan, heard, [], NOON, (1, 2))
    assert isinstance(kept, JourneyState)
    assert isinstance(dropped, JourneyState)
    assert (set(kept.matches), set(dropped.matches)) == ({"again/0"}, set())


def test_only_what_is_about_the_same_event_is_heard_alike() -> None:
    def rules(**events: EventRule) -> Rules:
        return Rules(
            name="c", entry=EntryRule("Started"), subscriptions={id.replace("_", "/"): r for id, r in events.items()}
        )

    old = rules(a_0=EventRule("Seen"), a_1=EventRule("Bought"), b_0=EventRule("Seen", "true"), gone_0=EventRule("Seen"))
    new = rules(a_0=EventRule("Bought"), a_1=EventRule("Bought"), b_0=EventRule("Seen"), new_0=EventRule("Seen"))
    assert find_shared_subscriptions(old, new) == ("a/1",)
    assert find_shared_subscriptions(old, old) == ("a/0", "a/1", "b/0", "gone/0")


def test_the_rounds_of_a_repetition_go_on_being_counted() -> None:
    def remind(times: int) -> Plan:
        repeat = Repeat("again", body="rest", every=60, times=times)
        return plan_of(repeat, Delay("rest", 60, "again"), loops={"rest": "again"})

    driver = MachineDriver(remind(5)).wake().wake()
    assert driver.state.loops["again"].done == 1
    moved(driver, remind(2)).wake()
    assert driver.command() == Finish("completed", recorded=False)


@pytest.mark.parametrize("loops", [{}, {"rest": "other"}, {"rest": "again", "again": "other"}])
def test_a_journey_whose_step_is_repeated_otherwise_stays(loops: dict[str, str]) -> None:
    again, other = Repeat("again", body="rest", every=60), Repeat("other", body="rest", every=60)
    old = plan_of(again, other, Delay("rest", 60, "again"), loops={"rest": "again"})
    assert stays(MachineDriver(old), replace(old, loops=loops)) == migration.REPETITION_CHANGED


def test_the_schedule_of_the_new_version_ends_the_journey() -> None:
    old = plan_of(Delay("rest", 7_200))
    driver = moved(MachineDriver(old), replace(old, ends_at=NOON + HOUR))
    assert driver.command() == SleepUntil(NOON + HOUR, "delay rest")
    over = moved(MachineDriver(old), replace(old, ends_at=NOON))
    assert over.command() == Finish(SCHEDULE_ENDED, recorded=False)


def test_the_visits_of_steps_that_are_gone_are_kept() -> None:
    driver = MachineDriver(plan_of(Delay("first", 60, "rest"), Delay("rest", 60))).wake()
    assert moved(driver, plan_of(Delay("rest", 60))).state.visits == {"first": 1, "rest": 1}


@pytest.mark.prove
@settings(derandomize=True, max_examples=rounds(100, 3000))
@given(written=st.binary(min_size=200, max_size=200), same=st.integers(0, 60), tape=tapes())
def test_any_journey_goes_on_under_any_plan_from_wherever_it_may_move(written: bytes, same: int, tape: Tape) -> None:
    """Two documents that begin alike, and go on with other steps of the same ids; every sixth time the same one."""
    is_same = same % 6 == 0
    first = campaign(Tape(written))
    second = first if is_same else campaign(Tape(written[:same] + written[::-1]))
    old, new = compile_plan(first), compile_plan(second)
    alike = find_shared_subscriptions(derive_rules(first), derive_rules(second))
    state, at = machine.begin(old, NOON, "random/u1"), NOON
    for _ in range(60):
        if isinstance(machine.next_command(old, state), Finish):
            break
        if is_movable(old, state):
            found = migrate_state(old, new, state, alike, at, (1, 2))
            assert isinstance(found, CannotMigrate) == (find_obstacle(old, new, state.step or "") is not None)
            if is_same:
                assert isinstance(found, JourneyState)
                known = {id: match for id, match in state.matches.items() if id in alike}
                assert replace(found, history=state.history) == replace(state, matches=known)
            if isinstance(found, JourneyState):
                _goes_on(new, found, at)
        fact, at = fitting(tape, old, state, at) if tape.below(4) else (event(tape, old), at)
        state = machine.after(old, state, fact, at)


def _goes_on(plan: Plan, state: JourneyState, at: datetime) -> None:
    """It rests on at its step, or is over by the schedule, and walks on."""
    tape = Tape(bytes(range(7, 250, 3)))
    assert is_movable(plan, state) or state.outcome == SCHEDULE_ENDED
    for _ in range(20):
        if isinstance(machine.next_command(plan, state), Finish):
            return
        assert set(state.loops) <= set(plan.loops.values())
        machine.status(plan, state)
        describe(plan, state)
        fact, at = fitting(tape, plan, state, at) if tape.below(4) else (noise(tape, plan, state.step, at), at)
        state = machine.after(plan, state, fact, at)
