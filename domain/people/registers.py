"""Last-writer-wins registers: the later statement wins, in any order of arrival.

Folding the same statements in any order, in one batch or many, and through merges of profiles gives the same values.
Source: Shapiro et al., "A comprehensive study of Convergent and Commutative Replicated Data Types", 3.2.1.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct, field

from domain.epoch import from_microseconds, to_microseconds

_DAY = timedelta(days=1) // timedelta(microseconds=1)
_FIRST = to_microseconds(datetime.min.replace(tzinfo=UTC))
# An unverified statement never wins over a verified one, however late it is: its stamp lies so far in the past. It is
# still an instant of Python, and after those of impossible clocks.
_UNVERIFIED = 1_900 * 365 * _DAY
_EARLIEST_VERIFIED = to_microseconds(datetime(1000, 1, 1, tzinfo=UTC))
# The stamps of unverified statements lie between these.
UNVERIFIED_BOUNDS: Final = (_FIRST, _EARLIEST_VERIFIED)


class Stamp(NamedTuple):
    """The time of a statement in microseconds since 1970, its id, and its source.

    The id decides ties. `source` is a kind and a name, `event:backend`; empty if unknown.
    """

    at: int
    id: str
    source: str = ""

    def instant(self) -> datetime | None:
        """Return the time; None if it is unknown, or before everything."""
        if self.at <= _FIRST:
            return None
        return from_microseconds(self.at + _UNVERIFIED if self.is_unverified() else self.at)

    def is_unverified(self) -> bool:
        """Return whether a browser stated it without a user token."""
        return _FIRST < self.at < _EARLIEST_VERIFIED


def stamp(said_at: datetime, id: str, source: str) -> Stamp:
    """Return the stamp of an aware datetime."""
    return Stamp(to_microseconds(said_at), id, source)


def unverified_stamp(said: Stamp) -> Stamp:
    """Return the stamp of an unverified statement, below all verified ones."""
    return said._replace(at=said.at - _UNVERIFIED)


class Registers(Struct):
    """Values by name, each with its stamp.

    None is a value: a deleted one stays, so that no older one returns. A value without a stamp was written by a release
    that kept none; any other is later.
    """

    values: dict[str, Any] = field(default_factory=dict)
    stamps: dict[str, Stamp] = field(default_factory=dict)

    def yields_to(self, name: str, value: Any, said: Stamp, is_refusal: Callable[[Any], bool]) -> bool:
        """Return whether a value wins; on a tie, a refusal, then the greater id."""
        if name not in self.values:
            return True
        kept = self.stamps.get(name, NEVER)
        if said.at != kept.at:
            return said.at > kept.at
        before = self.values.get(name)
        mine, other = (is_refusal(value), said.id), (is_refusal(before), kept.id)
        # Two sources may use the same id: comparing their values makes the order of arrival irrelevant.
        return mine > other if mine != other else (_text(value), said.source) > (_text(before), kept.source)

    def put(self, name: str, value: Any, said: Stamp) -> None:
        """Store a value that wins."""
        self.values[name] = value
        self.stamps[name] = said

    def is_recent(self, name: str, said: Stamp) -> bool:
        """Return whether the current value was stated less than a day before."""
        return name in self.stamps and said.at - self.stamps[name].at < _DAY

    def drop(self, name: str) -> None:
        """Forget a name and its stamp."""
        del self.values[name]
        self.stamps.pop(name, None)

    def words(self) -> Iterator[tuple[str, Any, Stamp]]:
        """Iterate over name, value and stamp; NEVER stands for a missing stamp."""
        for name, value in self.values.items():
            yield name, value, self.stamps.get(name, NEVER)

    def copy(self) -> "Registers":
        """Return an independent copy."""
        return Registers(dict(self.values), dict(self.stamps))


# Before any real stamp.
NEVER = Stamp(-(2**63), "")


def pack(stamps: Mapping[str, Stamp]) -> list[list[Any]]:
    """Pack stamps for storage: [at, [id, source], name, name, …] for each stamp.

    An unknown source is left out: [at, id, name, …].
    """
    groups: dict[Stamp, list[Any]] = {}
    for name, said in stamps.items():
        groups.setdefault(said, [said.at, [said.id, said.source] if said.source else said.id]).append(name)
    return list(groups.values())


def unpack(groups: Iterable[list[Any]]) -> dict[str, Stamp]:
    """Unpack stamps that `pack` made."""
    unpacked: dict[str, Stamp] = {}
    for at, made, *names in groups:
        said = Stamp(at, made) if isinstance(made, str) else Stamp(at, *made)
        unpacked.update(dict.fromkeys(names, said))
    return unpacked


def is_same(one: Any, other: Any) -> bool:
    """Return whether two values are the same JSON: `true` is not 1."""
    return type(one) is type(other) and bool(one == other)


def is_set(value: Any) -> bool:
    """Return whether a value is set. A set suppression is a refusal."""
    return value is not None


def _text(value: Any) -> bytes:
    return msgspec.json.encode(value, order="deterministic")
