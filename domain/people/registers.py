"""Values that each know when they were said: the later word holds, in whatever order the words arrive.

Each name is a last-writer-wins register, so that folding the same words in any order, in one batch or many, and through
merges of profiles comes to the same values. Source: Shapiro et al., "A comprehensive study of Convergent and
Commutative Replicated Data Types", 3.2.1.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct, field

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1) // _MICROSECOND


class Stamp(NamedTuple):
    """When something was said, in microseconds since 1970, and the id of what said it, which decides on a tie."""

    at: int
    id: str


def stamp(said_at: datetime, id: str) -> Stamp:
    """The stamp of an instant with an offset."""
    return Stamp((said_at - _EPOCH) // _MICROSECOND, id)


class Registers(Struct):
    """Values by name, each with its stamp. None is a value: what was taken back stays, so that nothing older returns.

    A value without a stamp was written by a release that kept none; every word is later.
    """

    values: dict[str, Any] = field(default_factory=dict)
    stamps: dict[str, Stamp] = field(default_factory=dict)

    def yields_to(self, name: str, value: Any, said: Stamp, is_refusal: Callable[[Any], bool]) -> bool:
        """Whether a word holds against the one that is kept. On a tie a refusal does, then the greater id."""
        if name not in self.values:
            return True
        kept = self.stamps.get(name, NEVER)
        if said.at != kept.at:
            return said.at > kept.at
        before = self.values.get(name)
        mine, other = (is_refusal(value), said.id), (is_refusal(before), kept.id)
        # Two sources may use the same id: their values are compared, so that the order of arrival decides nothing.
        return mine > other if mine != other else _text(value) > _text(before)

    def put(self, name: str, value: Any, said: Stamp) -> None:
        """Keep a word that has been found to hold."""
        self.values[name] = value
        self.stamps[name] = said

    def is_recent(self, name: str, said: Stamp) -> bool:
        """Whether the value that is kept was said within a day before."""
        return name in self.stamps and said.at - self.stamps[name].at < _DAY

    def drop(self, name: str) -> None:
        """Forget a name, and that it was ever said."""
        del self.values[name]
        self.stamps.pop(name, None)

    def words(self) -> Iterator[tuple[str, Any, Stamp]]:
        """What is kept: name, value and stamp. What has no stamp counts as said before all else."""
        for name, value in self.values.items():
            yield name, value, self.stamps.get(name, NEVER)

    def copy(self) -> "Registers":
        """Registers that can be changed without changing these."""
        return Registers(dict(self.values), dict(self.stamps))


# Before everything that can be said.
NEVER = Stamp(-(2**63), "")


def pack(stamps: Mapping[str, Stamp]) -> list[list[Any]]:
    """Stamps as they are stored: [at, id, name, name, …] for all that was said at once."""
    groups: dict[Stamp, list[Any]] = {}
    for name, said in stamps.items():
        groups.setdefault(said, [said.at, said.id]).append(name)
    return list(groups.values())


def unpack(groups: Iterable[list[Any]]) -> dict[str, Stamp]:
    """Stamps as `pack` wrote them."""
    return {name: Stamp(at, id) for at, id, *names in groups for name in names}


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON: `true` is not 1."""
    return type(one) is type(other) and bool(one == other)


def is_set(value: Any) -> bool:
    """Whether a value is there. Where values are reasons to refuse, it is a refusal."""
    return value is not None


def _text(value: Any) -> bytes:
    return msgspec.json.encode(value, order="deterministic")
