"""The ways of journeys, by the states of their machine."""

from datetime import UTC, datetime, timedelta

from domain.campaign.plan import Act, Branch, Delay, Node, Plan, Repeat, Subscription, Until, WaitFor
from domain.journey import machine
from domain.journey.protocol import Evaluated, Exited, Fact, LookedUp, Matched, Performed, Unreadable, Woke
from domain.rehearsal.walks import FlowWay, find_ways

AT = datetime(2026, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def walk(plan: Plan, *facts: tuple[Fact, datetime]) -> list[str]:
    state, found = machine.begin(plan, AT), list[FlowWay]()
    for fact, at in facts:
        after = machine.after(plan, state, fact, at)
        found += find_ways(plan, state, fact, after)
        state = after
    return [str(one) for one in found]


def test_a_fork_is_left_by_the_way_that_was_decided() -> None:
    plan = Plan("which", {"which": Branch("which", (None, None))})
    assert walk(plan, (Evaluated(1), AT)) == ["which: case 2"]
    assert walk(plan, (Evaluated(None), AT)) == ["which: otherwise"]


def test_a_wait_ends_by_its_event_or_in_time() -> None:
    waits = WaitFor("hear", (Subscription("hear/0"), Subscription("hear/1")), 3_600)
    plan = Plan("hear", {"hear": waits})
    assert walk(plan, (Matched("hear/1", "e1"), AT), (Woke(), AT)) == ["hear: event 2"]
    assert walk(plan, (Woke(), AT + HOUR)) == ["hear: timeout"]
    assert walk(plan, (Woke(), AT + HOUR / 2)) == []


def test_a_date_may_be_past_or_unreadable_though_both_lead_to_the_same_step() -> None:
    act = Act("act", "set_stage")
    plan = Plan("due", {"due": Until("due", "act", None, None), "act": act})
    assert walk(plan, (LookedUp(AT + HOUR), AT), (Woke(), AT + HOUR), (LookedUp(AT + HOUR), AT + HOUR)) == ["due"]
    assert walk(plan, (LookedUp(AT - HOUR), AT)) == ["due: past"]
    assert walk(plan, (LookedUp(None), AT)) == ["due: past"]
    assert walk(plan, (LookedUp(Unreadable()), AT)) == ["due: unreadable"]


def test_rounds_of_a_repetition_go_on_until_they_are_done() -> None:
    act = Act("act", "set_stage", "again")
    nodes: dict[str, Node] = {"again": Repeat("again", "act", 3_600, times=2), "act": act}
    plan = Plan("again", nodes, loops={"act": "again"})
    facts: list[tuple[Fact, datetime]] = [(Performed(False), AT), (Woke(), AT + HOUR), (Performed(False), AT + HOUR)]
    assert walk(plan, *facts) == ["act", "again: again", "act", "again: done"]


def test_an_exit_takes_no_way_of_the_step() -> None:
    plan = Plan("rest", {"rest": Delay("rest", 3_600)})
    assert walk(plan, (Exited("e1"), AT)) == []
    assert walk(plan, (Woke(), AT + HOUR)) == ["rest"]
