"""The last completion of a sequence, in time order and within its window."""

from datetime import timedelta
from itertools import combinations
from random import Random

import pytest

from domain.people.computed.definition import EventSelector, TraitRule
from domain.people.computed.sequences import find_last_completion
from domain.people.computed.traits import ComputedTraits
from domain.tracking.event import Event
from tests.domain.people.computed.histories import START, definitions, event

MINUTE = timedelta(minutes=1)


def sequence(*names: str, within: int | None = None, where: str | None = None) -> TraitRule:
    events = tuple(EventSelector("track", name) for name in names)
    return TraitRule(function="sequence", events=events, type="timestamp", within=within, where=where)


def events(text: str) -> list[Event]:
    """Return an event a minute, named by its letter; a full stop is a minute without one."""
    return [event(START + number * MINUTE, letter) for number, letter in enumerate(text) if letter != "."]


@pytest.mark.parametrize(
    ("steps", "happened", "minutes", "completed"),
    [
        ("AB", "AB", None, 1),
        ("AB", "BA", None, None),
        ("AB", "AXBXB", None, 4),
        ("AB", "A...B", 3, None),
        ("AB", "A..AB", 3, 4),
        ("AB", "AB..B", 3, 1),
        ("AA", "A", None, None),
        ("AA", "AA", None, 1),
        ("ABA", "AB.A.B", None, 3),
        ("ABC", "ACB", None, None),
        ("ABC", "AAB.C", 3, 4),
    ],
)
def test_the_last_completion_is_found(steps: str, happened: str, minutes: int | None, completed: int | None) -> None:
    rule = sequence(*steps, within=minutes and minutes * 60)
    found = find_last_completion(rule, reversed(events(happened)))
    assert found == (None if completed is None else START + completed * MINUTE)


def test_every_sequence_is_that_of_all_ways_to_pick_its_steps() -> None:
    draw = Random(11)
    for _ in range(200):
        steps = "".join(draw.choices("AB", k=draw.choice([2, 3])))
        happened = events("".join(draw.choices("AB.", k=9)))
        ends = [
            picked[-1].timestamp
            for picked in combinations(happened, len(steps))
            if "".join(one.name or "" for one in picked) == steps
            and picked[-1].timestamp - picked[0].timestamp <= 4 * MINUTE
        ]
        found = find_last_completion(sequence(*steps, within=240), draw.sample(happened, len(happened)))
        assert found == max(ends, default=None)


def test_where_holds_for_each_step() -> None:
    rule = sequence("A", "B", where="event.properties.plan == 'pro'")
    pro, free = {"plan": "pro"}, {"plan": "free"}
    mixed = [event(START, "A", properties=free), event(START + MINUTE, "B", properties=pro)]
    assert find_last_completion(rule, mixed) is None
    assert find_last_completion(rule, [*mixed, event(START, "A", properties=pro)]) == START + MINUTE


def test_the_store_puts_what_it_found() -> None:
    [definition] = definitions(left=sequence("A", "B"))
    traits = ComputedTraits([definition])
    [_, last] = events("AB")
    assert traits.hears(last)
    assert traits.sequences(last) == [definition]
    assert traits.fold({}, last) == {}
    state = traits.put_completion({}, definition, START)
    assert traits.values(state, START) == {"left": START}
    assert traits.merge(state, traits.put_completion({}, definition, START + MINUTE)) == {"1": state["1"] + 60_000_000}
    assert traits.put_completion(state, definition, None) == {}
