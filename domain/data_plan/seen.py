"""Events and properties as they are reported: counts, types, times, examples.

All of it is bounded, and holds no personal data: an example is a value that several people share, and candidates are
kept as short hashes until one is.
"""

from datetime import date, datetime
from typing import Final
from uuid import UUID
from zlib import crc32

from msgspec import Struct, field

from domain.data_plan.paths import PropertyType, is_plain_name, iter_values, may_be_personal, type_of
from domain.tracking.event import Event, EventType

# Further names of a source and type are counted together: a client may invent names without end.
MAX_NAMES: Final = 500
MAX_PROPERTIES: Final = 100
# The days of `days`, today's included.
MAX_DAYS: Final = 8
# An example is the first value that so many people had.
PEOPLE_OF_EXAMPLE: Final = 5
# With more values than this before, a property has no example: it is free text, an id or an amount.
MAX_CANDIDATES: Final = 16
MAX_EXAMPLE_LENGTH: Final = 40

Example = str | int | float | bool


class SeenKey(Struct, frozen=True, order=True):
    """The kind of an event: its source, type and name.

    The name is empty where calls have none. With `is_rest` it stands for all further names of the source and type.
    """

    source: str
    type: EventType
    name: str
    is_rest: bool = False


class SeenProperty(Struct, omit_defaults=True):
    """A property as it was seen.

    `candidates` are hashes of values with hashes of people who had them; None once there is an example, or cannot be.
    """

    first_at: datetime
    last_at: datetime
    types: dict[PropertyType, int] = field(default_factory=dict)
    example: Example | None = None
    candidates: dict[int, list[int]] | None = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Return how many values were seen."""
        return sum(self.types.values())


class SeenEvent(Struct):
    """An event as it was seen: by arrival, in total and by day.

    `more_properties` counts values whose property is not kept.
    """

    first_at: datetime
    last_at: datetime
    count: int = 0
    days: dict[date, int] = field(default_factory=dict)
    properties: dict[str, SeenProperty] = field(default_factory=dict)
    more_properties: int = 0


def key_of(event: Event) -> SeenKey:
    """Return the kind of an event. A name that may be data is one of the rest."""
    name = event.name or ""
    if name and not is_plain_name(name):
        return rest_of(SeenKey(event.source, event.type, name))
    return SeenKey(event.source, event.type, name)


def rest_of(key: SeenKey) -> SeenKey:
    """Return the key under which further names are counted."""
    return SeenKey(key.source, key.type, "", is_rest=True)


def add_event(seen: SeenEvent | None, event: Event, profile_id: UUID, at: datetime, *, is_rest: bool) -> SeenEvent:
    """Count an event that arrived at an instant; `seen` itself is changed.

    Properties of the rest are not looked at.
    """
    if seen is None:
        seen = SeenEvent(at, at)
    seen.count += 1
    seen.first_at, seen.last_at = min(seen.first_at, at), max(seen.last_at, at)
    day = at.date()
    seen.days[day] = seen.days.get(day, 0) + 1
    if len(seen.days) > MAX_DAYS:
        del seen.days[min(seen.days)]
    if is_rest:
        return seen
    for path, value in iter_values(event.properties):
        known = None if path is None else seen.properties.get(path)
        if path is None or (known is None and len(seen.properties) >= MAX_PROPERTIES):
            seen.more_properties += 1
            continue
        if known is None:
            known = seen.properties[path] = SeenProperty(at, at)
        _add_value(known, value, profile_id, at)
    return seen


def _add_value(known: SeenProperty, value: object, profile_id: UUID, at: datetime) -> None:
    type = type_of(value)
    known.types[type] = known.types.get(type, 0) + 1
    known.first_at, known.last_at = min(known.first_at, at), max(known.last_at, at)
    if known.candidates is None or not isinstance(value, str | int | float):
        return
    if isinstance(value, bool):
        known.example, known.candidates = value, None
        return
    text = str(value)
    if len(text) > MAX_EXAMPLE_LENGTH or not text.isprintable() or may_be_personal(text):
        known.candidates = None
        return
    people = known.candidates.setdefault(crc32(text.encode()), [])
    person = profile_id.int & 0xFFFF
    if person not in people:
        people.append(person)
    if len(people) >= PEOPLE_OF_EXAMPLE:
        known.example, known.candidates = value, None
    elif len(known.candidates) > MAX_CANDIDATES:
        known.candidates = None
