"""Any order of events, in any parts, gives the values that all history has."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest

from domain.people.computed.aggregates import CountBy, CountedEvent
from domain.people.computed.definition import EventSelector, TraitRule
from domain.people.computed.traits import ComputedTraits
from domain.tracking.event import Event
from tests.domain.people.computed.histories import START, definitions, event, history, reference, rule
from tests.proofs import rounds

DAY = 86_400
TOPIC = "event.properties.topic"
HOUR = timedelta(hours=1)
ROUNDS = rounds(25, 4_000)


def each_rule() -> dict[str, TraitRule]:
    rules = {}
    for function in ("count", "any", "sum", "min", "max", "first", "last", "top", "distinct"):
        rules[function] = rule(function)
        rules[f"{function}_lately"] = rule(function, within=2 * DAY)
        rules[f"{function}_of_day"] = rule(
            function, within=DAY, events=(*rule(function).events, EventSelector("track", "Seen"))
        )
    rules |= {"rhythm": rule("rhythm")}
    rules |= {"by": rule("count", by=TOPIC), "by_lately": rule("count", by=TOPIC, within=2 * DAY)}
    rules |= {"first_at": rule("first", of=None), "last_at": rule("last", of=None, within=DAY)}
    return rules | {"few": rule("distinct", keep=3), "few_lately": rule("distinct", keep=3, within=2 * DAY)}


def fold_in_parts(traits: ComputedTraits, events: Sequence[Event], draw: Random) -> Any:
    """Fold events in a random order into several states, and merge those in a random order."""
    states: list[Any] = [{} for _ in range(draw.choice([1, 2, 5]))]
    for one in draw.sample(list(events), len(events)):
        part = draw.randrange(len(states))
        states[part] = traits.fold(states[part], one)
    while len(states) > 1:
        one, other = (states.pop(draw.randrange(len(states))) for _ in range(2))
        states.append(traits.merge(json.loads(json.dumps(one)), json.loads(json.dumps(other))))
    return states[0]


def instants(events: Sequence[Event], draw: Random) -> list[datetime]:
    newest = max(one.timestamp for one in events)
    return [newest - HOUR, *(newest + timedelta(days=4) * draw.random() for _ in range(3))]


@pytest.mark.prove
def test_any_order_in_any_parts_equals_all_history() -> None:
    draw = Random(1)
    defined = definitions(**each_rule())
    traits = ComputedTraits(defined)
    for _ in range(ROUNDS):
        events = history(draw, draw.randint(1, 60), days=draw.choice([0.01, 1, 6]))
        state = fold_in_parts(traits, events, draw)
        assert traits.fold(state, event(name="Other")) is state
        for at in instants(events, draw):
            expected = {one.key: reference(one.rule, events, at) for one in defined}
            assert traits.values(state, at) == expected
            assert dict(traits.view(state, at)) == expected


def test_no_value_changes_before_the_next_change() -> None:
    draw = Random(1)
    traits = ComputedTraits(definitions(**each_rule()))
    changes = 0
    for _ in range(rounds(5, 200)):
        events = history(draw, draw.choice([3, 12, 90]), days=4)
        state = fold_in_parts(traits, events, draw)
        for key in traits.types:
            at = max(one.timestamp for one in events)
            while (change := traits.next_change(state, at, [key])) is not None:
                before = traits.view(state, at)[key]
                assert at < change
                assert traits.view(state, at + (change - at) * draw.random() - timedelta(microseconds=1))[key] == before
                assert traits.view(state, change - timedelta(microseconds=1))[key] == before
                changes += traits.view(state, change)[key] != before
                at = change
            assert traits.view(state, at + timedelta(days=400))[key] == traits.view(state, at)[key]
    assert changes > 50


@pytest.mark.parametrize("function", ["count", "sum", "max", "first"])
def test_a_full_window_is_exact_but_for_one_cell(function: Any) -> None:
    draw = Random(7)
    window = timedelta(days=2)
    wide, narrow = (int((window + part * window / 64).total_seconds()) for part in (1, 0))
    traits = ComputedTraits(
        definitions(bounded=rule(function, within=2 * DAY), exact=rule(function, within=2 * DAY, is_exact=True))
    )
    for _ in range(2):
        events = history(draw, 400, days=4)
        state = fold_in_parts(traits, events, draw)
        assert len(json.dumps(state["1"])) < 12_000
        for at in instants(events, draw):
            values = traits.values(state, at)
            assert values["exact"] == reference(rule(function, within=2 * DAY), events, at)
            low, high = (reference(rule(function, within=one), events, at) for one in (narrow, wide))
            if function == "max" and low is not None:
                assert low <= values["bounded"] <= high


def test_a_cell_leaves_with_its_last_event() -> None:
    draw = Random(9)
    traits = ComputedTraits(definitions(lately=rule("count", within=6_400)))
    for _ in range(3):
        events = history(draw, 200, days=0.1)
        state = fold_in_parts(traits, events, draw)
        assert state["1"][1]
        at = max(one.timestamp for one in events) - HOUR
        while (change := traits.next_change(state, at, ["lately"])) is not None:
            assert at < change
            value = traits.values(state, change)["lately"]
            assert value >= reference(rule("count", within=6_400), events, change)
            assert value <= reference(rule("count", within=6_500), events, change)
            assert value < traits.values(state, change - timedelta(microseconds=1))["lately"]
            at = change


def test_an_event_ahead_of_its_arrival_takes_nothing_from_the_window() -> None:
    traits = ComputedTraits(definitions(topics=rule("distinct", within=DAY), count=rule("count", within=DAY)))
    ahead = START + timedelta(days=1, minutes=30)
    state = traits.fold({}, event(properties={"topic": "old"}))
    state = traits.fold(state, event(ahead, properties={"topic": "new"}))
    assert traits.values(state, ahead - HOUR) == {"topics": ["new", "old"], "count": 2}
    assert traits.values(state, ahead) == {"topics": ["new"], "count": 1}


def test_a_window_with_at_most_64_events_is_exact_whatever_went_before() -> None:
    draw = Random(3)
    traits = ComputedTraits(definitions(lately=rule("sum", within=DAY), top=rule("top", within=DAY)))
    events = history(draw, 900, days=20)
    state = fold_in_parts(traits, events, draw)
    for at in instants(events, draw):
        assert sum(one.timestamp > at - timedelta(days=1) for one in events) <= 64
        assert traits.values(state, at)["lately"] == reference(rule("sum", within=DAY), events, at)
        assert traits.values(state, at)["top"] == reference(rule("top", within=DAY), events, at)


def test_the_most_frequent_of_many_values_is_found() -> None:
    draw = Random(5)
    traits = ComputedTraits(definitions(top=rule("top"), lately=rule("top", within=10 * DAY)))
    events = [
        event(
            START + timedelta(minutes=number),
            properties={"topic": "rust" if number % 5 == 0 else f"t{draw.randrange(400)}"},
        )
        for number in range(1_000)
    ]
    state = fold_in_parts(traits, events, draw)
    assert traits.values(state, events[-1].timestamp) == {"top": "rust", "lately": "rust"}
    assert len(state["1"]) == 51
    assert sum(len(cell[2]) for cell in state["2"][1]) <= 17 * 33


def test_a_count_by_value_is_never_too_high_and_too_low_by_at_most_a_fiftieth() -> None:
    draw = Random(6)
    by = rule("count", by=TOPIC)
    traits = ComputedTraits(definitions(by=by))
    topics = [f"t{number}" for number in range(50)]
    few = [event(START + timedelta(minutes=number), properties={"topic": draw.choice(topics)}) for number in range(300)]
    state = fold_in_parts(traits, few, draw)
    assert len(traits.values(state, START)["by"]) == 50
    assert traits.values(state, START)["by"] == reference(by, few, START)
    many = [
        event(START + timedelta(minutes=number), properties={"topic": f"t{min(draw.sample(range(400), 3))}"})
        for number in range(1_000)
    ]
    low = traits.values(fold_in_parts(traits, many, draw), START)["by"]
    assert 10 < len(low) <= 50
    for topic, count in reference(by, many, START).items():
        assert count - len(many) / 50 <= low.get(topic, 0) <= count


def test_a_window_of_64_events_is_exact_also_if_each_has_another_value() -> None:
    rules = {"top": rule("top", within=DAY), "by": rule("count", by=TOPIC, within=DAY)}
    traits = ComputedTraits(definitions(**rules))
    events = [
        event(START + timedelta(minutes=number), properties={"topic": f"t{number % 63:02}"}) for number in range(64)
    ]
    state = fold_in_parts(traits, events, Random(8))
    at = events[-1].timestamp
    assert traits.values(state, at) == {key: reference(one, events, at) for key, one in rules.items()}
    assert traits.values(state, at)["top"] == "t00"


def test_a_map_has_as_many_values_as_a_condition_can_read() -> None:
    counts = CountBy(2_000)
    events = [CountedEvent(number, "", f"t{number:04}") for number in (*range(1_001), 1_000)]
    values = counts.value([counts.begin(one) for one in events])
    assert (len(values), values["t1000"], "t0999" in values) == (1_000, 2, False)


def test_a_sum_is_of_decimals() -> None:
    traits = ComputedTraits(definitions(spent=rule("sum")))
    state: Any = {}
    for number, value in enumerate([1.1, 2.2, 1e17, -1e17, 1e18, 0.000_000_000_4, float("inf"), True, "5"]):
        state = traits.fold(state, event(START + timedelta(seconds=number), properties={"value": value}))
    assert traits.values(state, START)["spent"] == 3.3
    assert state == {"1": "3.3"}


def test_a_rhythm_is_that_of_the_latest_64_instants() -> None:
    draw = Random(9)
    traits = ComputedTraits(definitions(rhythm=rule("rhythm")))
    hours = [event(START - timedelta(hours=number)) for number in range(64)]
    days = [event(START - timedelta(days=3 + number)) for number in range(200)]
    state = fold_in_parts(traits, [*hours, *days, event(START, id=UUID(int=1))], draw)
    assert len(state["1"]) == 64
    assert traits.values(state, START + timedelta(minutes=90, microseconds=-1)) == {"rhythm": 1.4}
    assert traits.next_change(state, START + timedelta(minutes=89), ["rhythm"]) == START + timedelta(minutes=90)
    assert traits.values(state, START + timedelta(minutes=90)) == {"rhythm": 1.5}
    # It ends at ten gaps, and so does the following of time.
    assert traits.values(state, START + timedelta(days=99)) == {"rhythm": 10.0}
    assert traits.next_change(state, START + timedelta(hours=10), ["rhythm"]) is None
    assert traits.next_change(state, START + timedelta(hours=10, microseconds=-1), ["rhythm"]) == START + 10 * HOUR


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_single_gap_is_not_a_rhythm(count: int) -> None:
    traits = ComputedTraits(definitions(rhythm=rule("rhythm")))
    state = fold_in_parts(traits, [event(START + timedelta(days=number)) for number in range(count)], Random(1))
    assert traits.values(state, START + timedelta(days=9)) == {"rhythm": None}
    assert traits.next_change(state, START, ["rhythm"]) is None


def test_no_event_gives_values_without_one() -> None:
    traits = ComputedTraits(definitions(**each_rule()))
    empty: dict[str, Any] = {"count": 0, "any": False, "sum": 0.0, "distinct": [], "by": {}}
    for key, value in traits.values({}, START).items():
        assert value == (empty["distinct"] if key.startswith("few") else empty.get(key.partition("_")[0]))
    assert traits.merge({}, {}) == {}
    assert traits.next_change({}, START, traits.types) is None


def test_where_sees_the_event_and_one_that_fails_does_not_count() -> None:
    traits = ComputedTraits(definitions(big=rule("count", where="event.properties.value > 100")))
    state: Any = {}
    for number, value in enumerate([50, 100.5, 101, "many", None]):
        state = traits.fold(state, event(START + timedelta(seconds=number), properties={"value": value}))
    state = traits.fold(state, event(properties={}))
    assert traits.values(state, START) == {"big": 2}


def test_pages_and_any_activity_are_selected() -> None:
    activity = TraitRule(function="count", events=(EventSelector(),), type="int", server_sources=("billing",))
    pricing = TraitRule(function="count", events=(EventSelector("page", "Pricing"),), type="int")
    pages = TraitRule(function="count", events=(EventSelector("page"), EventSelector("page", "Pricing")), type="int")
    traits = ComputedTraits(definitions(activity=activity, pricing=pricing, pages=pages))
    seen = [
        event(name="Pricing", type="page"),
        event(name=None, type="page"),
        event(name="Pricing"),
        event(name=None, type="identify"),
        event(name="Invoice Paid", source="billing"),
        event(name="Email Opened"),
    ]
    assert [traits.hears(one) for one in seen] == [True, True, True, True, False, False]
    state: Any = {}
    for one in seen:
        state = traits.fold(state, one)
    assert traits.values(state, START) == {"activity": 4, "pricing": 1, "pages": 2}


def test_a_time_of_the_event_is_a_time() -> None:
    due = rule("last", of="timestamp(event.properties.due)", type="timestamp")
    traits = ComputedTraits(definitions(due=due))
    state = traits.fold({}, event(properties={"due": "2026-12-24T00:00:00Z"}))
    state = traits.fold(state, event(START + HOUR, properties={"due": "soon"}))
    assert traits.values(state, START)["due"] == datetime.fromisoformat("2026-12-24T00:00:00Z")


def test_a_value_too_large_to_keep_does_not_count() -> None:
    traits = ComputedTraits(definitions(last=rule("last"), top=rule("top")))
    state = traits.fold({}, event(properties={"value": "short", "topic": "short"}))
    state = traits.fold(state, event(START + HOUR, properties={"value": "x" * 2_000, "topic": "x" * 2_000}))
    assert traits.values(state, START) == {"last": "short", "top": "short"}
