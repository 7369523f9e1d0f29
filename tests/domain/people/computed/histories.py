"""Random histories of a person, and the values of traits from the whole of one by plain code."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from random import Random
from statistics import median
from typing import Any
from uuid import UUID

from domain.people.computed.definition import EventSelector, TraitDefinition, TraitFunction, TraitRule, TraitType
from domain.tracking.event import Event

START = datetime(2026, 11, 1, tzinfo=UTC)
BOUGHT = EventSelector("track", "Bought")

_TYPES: dict[str, TraitType] = {
    "count": "int",
    "any": "bool",
    "sum": "double",
    "min": "double",
    "max": "double",
    "rhythm": "double",
}


def rule(function: TraitFunction, **changes: Any) -> TraitRule:
    of = None if function in ("count", "any", "sequence", "rhythm") else "event.properties.value"
    if function in ("top", "distinct"):
        of = "event.properties.topic"
    kind = (
        "counts" if "by" in changes else _TYPES.get(function) or ("dyn" if "of" not in changes and of else "timestamp")
    )
    return TraitRule(**{"function": function, "events": (BOUGHT,), "type": kind, "of": of} | changes)


def definitions(**rules: TraitRule) -> list[TraitDefinition]:
    return [TraitDefinition(number, key, rule) for number, (key, rule) in enumerate(rules.items(), 1)]


def event(at: datetime = START, name: str | None = "Bought", **fields: Any) -> Event:
    fields = {"type": "track", "user_id": "u1", "anonymous_id": None, "context": {}, "properties": {}} | fields
    id = fields.pop("id", None) or UUID(int=Random(f"{at}{name}{fields}").getrandbits(128), version=4)
    return Event(id=id, message_id=str(id), name=name, timestamp=at, **fields)


def history(draw: Random, count: int, *, days: float, topics: int = 8) -> list[Event]:
    """Draw events over some days; some have no value, or one that is no number, and some share an instant."""
    instants = [START + timedelta(days=days) * draw.random() for _ in range(max(1, count * 3 // 4))]
    events = []
    for _ in range(count):
        properties: dict[str, Any] = {"topic": f"t{min(draw.randrange(topics), draw.randrange(topics))}"}
        if draw.random() < 0.85:
            properties["value"] = draw.choice([draw.randrange(-500, 500) / 100, draw.randrange(9), 0.1, "many", None])
        if draw.random() < 0.1:
            properties["topic"] = draw.choice([1, True, "1", [], None])
        id = UUID(int=draw.getrandbits(128), version=4)
        events.append(
            event(draw.choice(instants), draw.choice(["Bought", "Bought", "Seen"]), id=id, properties=properties)
        )
    return events


def reference(rule: TraitRule, events: Sequence[Event], at: datetime) -> Any:
    """The value of a trait by plain code over all events. `where` is not looked at."""
    names = {selector.name for selector in rule.events}
    chosen = sorted((one for one in events if one.name in names), key=lambda one: (one.timestamp, str(one.id)))
    if rule.within is not None:
        chosen = [one for one in chosen if one.timestamp > at - timedelta(seconds=rule.within)]
    if rule.by is not None:
        topics = [one.properties.get("topic") for one in chosen]
        return dict(Counter(topic for topic in topics if isinstance(topic, str)))
    field = rule.of.rpartition(".")[2] if rule.of is not None else None
    valued = [(one, one.properties.get(field) if field else one.timestamp) for one in chosen]
    found = [(one, value) for one, value in valued if value is not None]
    numbers = [value for _, value in found if isinstance(value, int | float) and not isinstance(value, bool)]
    plain = [(one, value) for one, value in found if not isinstance(value, list)]
    values: dict[str, Callable[[], Any]] = {
        "count": lambda: len(chosen),
        "any": lambda: bool(chosen),
        "sum": lambda: float(sum(map(_decimal, numbers))),
        "min": lambda: min(numbers, default=None),
        "max": lambda: max(numbers, default=None),
        "first": lambda: found[0][1] if found else None,
        "last": lambda: found[-1][1] if found else None,
        "top": lambda: _most_frequent([value for _, value in plain]),
        "distinct": lambda: _latest(plain)[: rule.keep],
        "rhythm": lambda: _count_gaps(sorted({one.timestamp for one in chosen})[-64:], at),
    }
    return values[rule.function]()


def _count_gaps(instants: Sequence[datetime], at: datetime) -> float | None:
    """Return the time since the last instant in median gaps, in tenths."""
    if len(instants) < 3:
        return None
    microsecond = timedelta(microseconds=1)
    gap = int(median((later - earlier) // microsecond for earlier, later in pairwise(instants)))
    passed = max(timedelta(), at - instants[-1]) // microsecond
    return min(100, int(10 * Fraction(passed, gap))) / 10


def _decimal(value: float) -> Decimal:
    return Decimal(repr(value))


def _most_frequent(values: Sequence[Any]) -> Any:
    counts = Counter((str(value), type(value).__name__) for value in values)
    most = max(counts.values(), default=0)
    # As JSON, the text "1" stands before the number.
    named = min(
        (name for name, count in counts.items() if count == most),
        default=None,
        key=lambda one: (one[0], one[1] == "int"),
    )
    return next((value for value in values if (str(value), type(value).__name__) == named), None)


def _latest(found: Sequence[tuple[Event, Any]]) -> list[Any]:
    seen: dict[tuple[str, Any], datetime] = {}
    for one, value in found:
        seen[type(value).__name__, value] = one.timestamp
    # As JSON, `"` stands before `1`, and both before `true`.
    ordered = sorted(seen.items(), key=lambda item: (-item[1].timestamp(), item[0][0] != "str", str(item[0][1])))
    return [value for (_, value), _ in ordered]
