"""The events of a batch are counted one by one, and each routed event finds itself counted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.long_work import TooMuchWork, finish
from domain.people.computed import counter
from domain.people.computed.counter import EventCounter
from domain.people.computed.definition import EventSelector
from domain.people.computed.deployed import DeployedTraits
from domain.people.segments.definition import Memberships
from domain.people.segments.deployed import NO_SEGMENTS
from domain.people.segments.tracker import SegmentTracker
from tests.domain.people.computed.histories import START, definitions, event, rule

ANN, BOB = UUID(int=1), UUID(int=2)
MINUTE = timedelta(minutes=1)
NOW = START + timedelta(hours=1)
PATH = rule("sequence", events=(EventSelector("track", "Seen"), EventSelector("track", "Bought")))
SEEN, FIRST, SECOND = event(START, "Seen"), event(START + MINUTE), event(START + 2 * MINUTE)


@dataclass(frozen=True)
class Counted:
    """A person with the values of computed traits."""

    values: Mapping[str, Any]
    traits: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)


def make_counter() -> EventCounter[Counted]:
    known = definitions(orders=rule("count"), path=PATH)
    traits = DeployedTraits(known, [one.id for one in known])

    def build(_: UUID, state: Mapping[str, Any], __: Memberships, at: datetime) -> Counted:
        return Counted(dict(traits.view(state, at)))

    return EventCounter(traits, {"orders"}, {}, {}, {}, NOW, SegmentTracker(NO_SEGMENTS, {}, {}, {}), build)


def test_each_routed_event_finds_itself_counted_and_no_later_one() -> None:
    batch = make_counter()
    finish(batch.count([(ANN, SEEN)], [(ANN, FIRST), (BOB, SECOND), (ANN, SECOND)], {FIRST.id}))
    assert batch.as_of == {FIRST.id: Counted({"orders": 1, "path": FIRST.timestamp})}
    assert batch.people() == {
        ANN: Counted({"orders": 2, "path": SECOND.timestamp}),
        BOB: Counted({"orders": 1, "path": None}),
    }
    assert [(id, change.trigger.name, change.before, change.after) for id, change in batch.changes] == [
        (ANN, "profile.computed.orders", 0, 1)
    ]
    assert batch.changed().keys() == {ANN, BOB}


def test_a_batch_of_too_much_work_ends_at_its_event_but_not_at_its_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counter, "MAX_WORK", 0)
    finish(make_counter().count([], [(ANN, FIRST)], ()))
    with pytest.raises(TooMuchWork) as too_much:
        finish(make_counter().count([], [(ANN, FIRST), (ANN, SECOND)], ()))
    assert too_much.value.event_id == SECOND.id
