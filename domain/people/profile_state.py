"""The state of a profile, and how statements change it.

`fold` and `merge` have no side effects. They return the changes, for the history, and the refusals, since a profile is
bounded.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final, Literal, get_args

import msgspec
from msgspec import Struct, field

from domain.people.registers import NEVER, Registers, Stamp, is_same, is_set

MAX_TRAITS = 1_000
# As JSON, with names.
MAX_TRAITS_BYTES = 256 * 1024
# Channels with consent, given or refused.
MAX_CONSENTS = 100
# Registers of subscriptions: two for each topic on a channel.
MAX_PREFERENCES = 400
# Values that a browser stated without a user token, by their path in the call.
MAX_CLAIMS = 50

Part = Literal["traits", "consent", "suppressed", "context", "stage", "claims", "preferences"]
# The one register of the part `stage`.
STAGE: Final = "stage"
SourceKind = Literal["event", "import", "link", "operator", "step", "merge", "address"]


class Proof(Struct, frozen=True, omit_defaults=True):
    """How a consent was given: the form, the version of its wording, and the client.

    `ip` is the client's address, of which a keyed hash is stored alone.
    """

    form: str | None = None
    wording: str | None = None
    ip: str | None = None


class Source(Struct, frozen=True):
    """The source of a statement or of another change, of a `kind`.

    `id` is that of the event that reports it or that merges, of the step's decision, or of the operator; it is
    empty for an address that another person has as well. `at` is when it happened. `name` is that of the event's
    source, of the operator, or of the campaign and step. `proof` says how its consents were given.
    """

    kind: SourceKind
    id: str
    at: datetime
    name: str = ""
    proof: Proof | None = None

    @property
    def label(self) -> str:
        """The kind and the name, for stamps."""
        return f"{self.kind}:{self.name}"


class Statement(Struct, frozen=True):
    """A value of one part of a profile; None deletes or lifts it."""

    part: Part
    name: str
    value: Any
    said: Stamp
    source: Source


class PartChange(Struct, frozen=True):
    """A changed value. `after` is None if it was deleted, lifted, or had no room.

    It `is_unverified` if a browser may have stated one of both values without a user token.
    """

    part: Part
    name: str
    before: Any
    after: Any
    source: Source
    is_unverified: bool = False


class Refusal(Struct, frozen=True):
    """A statement that was not kept, and why."""

    statement: Statement
    reason: str


class ProfileState(Struct):
    """The values of a profile by part, each with its stamp."""

    traits: Registers = field(default_factory=Registers)
    consent: Registers = field(default_factory=Registers)
    suppressed: Registers = field(default_factory=Registers)
    context: Registers = field(default_factory=Registers)
    stage: Registers = field(default_factory=Registers)
    claims: Registers = field(default_factory=Registers)
    preferences: Registers = field(default_factory=Registers)

    def part(self, name: Part) -> Registers:
        """Return the registers of a part."""
        registers: Registers = getattr(self, name)
        return registers

    def copy(self) -> "ProfileState":
        """Return an independent copy."""
        return ProfileState(*(self.part(part).copy() for part in get_args(Part)))


class StateUpdate(Struct, frozen=True):
    """A state after statements. `is_changed` is also set if only a stamp is later.

    `repeated` are consents that changed nothing and come with a proof, which the history keeps.
    """

    state: ProfileState
    is_changed: bool
    changes: list[PartChange]
    refusals: list[Refusal]
    repeated: list[Statement] = []


def fold(state: ProfileState, statements: Iterable[Statement], owner: str = "a profile") -> StateUpdate:
    """Apply statements in any order; the latest of each name wins.

    A trait beyond MAX_TRAITS or MAX_TRAITS_BYTES is refused, as is a claim beyond MAX_CLAIMS; the rest is kept. Deleted
    traits use the remaining room: beyond it, the ones deleted first are forgotten. Beyond MAX_CONSENTS and
    MAX_PREFERENCES, refusals are kept first, then the latest. `owner` names the owner of the traits in the reasons of
    refusals.
    """
    new = state.copy()
    room = _Room(new.traits, owner)
    changes: list[PartChange] = []
    refusals: list[Refusal] = []
    is_changed = False
    repeated: list[Statement] = []
    bounded: dict[Part, dict[str, Statement]] = {part: {} for part in _BOUNDS}
    for one in statements:
        registers = new.part(one.part)
        if not registers.yields_to(one.name, one.value, one.said, _IS_REFUSAL[one.part]):
            continue
        if one.part == "traits" and (reason := room.take(one.name, one.value)) is not None:
            refusals.append(Refusal(one, reason))
            continue
        if one.part == "claims" and one.name not in registers.values and len(registers.values) >= MAX_CLAIMS:
            refusals.append(Refusal(one, _TOO_MANY_CLAIMS))
            continue
        before, kept = registers.values.get(one.name), registers.stamps.get(one.name, NEVER)
        if one.part in _REPEATED and is_same(before, one.value) and registers.is_recent(one.name, one.said):
            continue
        registers.put(one.name, one.value, one.said)
        is_changed = True
        if one.part in bounded:
            bounded[one.part][one.name] = one
            if one.source.proof is not None and is_same(before, one.value):
                repeated.append(one)
        if not is_same(before, one.value):
            is_unverified = one.said.is_unverified() or kept.is_unverified()
            changes.append(PartChange(one.part, one.name, before, one.value, one.source, is_unverified))
    room.free()
    for part, said in bounded.items():
        if said:
            *_, last = said.values()
            dropped = {one.name: said.get(one.name, one) for one in _drop_beyond(part, new.part(part), last.source)}
            refusals += [Refusal(one, _BOUNDS[part].reason) for one in dropped.values()]
            known = state.part(part).values
            changes = [change for change in changes if change.part != part or change.name not in dropped] + [
                PartChange(part, name, known[name], None, one.source) for name, one in dropped.items() if name in known
            ]
    return StateUpdate(new, is_changed, changes, refusals, repeated)


def merge(target: ProfileState, other: ProfileState, source: Source) -> StateUpdate:
    """Merge a profile into another; the latest statement of each name wins.

    If the traits or claims are too many for one profile, the latest are kept and the other traits refused. Refused
    consents are kept first.
    """
    new = target.copy()
    for part, is_refusal in _IS_REFUSAL.items():
        registers = new.part(part)
        for name, value, said in other.part(part).words():
            if registers.yields_to(name, value, said, is_refusal):
                registers.put(name, value, said)
    refusals = [
        Refusal(Statement("traits", name, value, said, source), _TOO_MUCH)
        for name, value, said in _select_excess(new.traits)
    ]
    for refusal in refusals:
        new.traits.drop(refusal.statement.name)
    for part, bound in _BOUNDS.items():
        refusals += [Refusal(one, bound.reason) for one in _drop_beyond(part, new.part(part), source)]
    for name, _, _ in sorted(new.claims.words(), key=lambda word: (word[2], word[0]), reverse=True)[MAX_CLAIMS:]:
        new.claims.drop(name)
    room = _Room(new.traits)
    room.count()
    room.free()
    return StateUpdate(new, True, find_changes(target, new, source), refusals)


def find_changes(old: ProfileState, new: ProfileState, source: Source) -> list[PartChange]:
    """Return the values by which two states differ."""
    changes = []
    for part in _IS_REFUSAL:
        before, after = old.part(part).values, new.part(part).values
        stamps = (old.part(part).stamps, new.part(part).stamps)
        changes += [
            PartChange(
                part,
                name,
                before.get(name),
                after.get(name),
                source,
                any(said.get(name, NEVER).is_unverified() for said in stamps),
            )
            for name in sorted(before.keys() | after.keys())
            if not is_same(before.get(name), after.get(name))
        ]
    return changes


def _is_never(_: Any) -> bool:
    return False


def _is_false(value: Any) -> bool:
    return value is False


# Whether a value is a refusal, by part.
_IS_REFUSAL: dict[Part, Callable[[Any], bool]] = {
    "traits": _is_never,
    "consent": _is_false,
    "suppressed": is_set,
    "context": _is_never,
    "stage": _is_never,
    "claims": _is_never,
    "preferences": _is_false,
}
# Clients repeat these with each call: the same value is written once a day.
_REPEATED: frozenset[Part] = frozenset({"context", "claims"})
_TOO_MANY_CLAIMS = f"a profile may have {MAX_CLAIMS} unverified values"
_TOO_MUCH = (
    f"a profile may have {MAX_TRAITS:,} traits in {MAX_TRAITS_BYTES:,} bytes: after the merge, "
    "the latest traits were kept"
)


class _Bound(Struct, frozen=True):
    """The most names of a part with answers, and why further ones are dropped."""

    names: int
    reason: str


_BOUNDS: dict[Part, _Bound] = {
    "consent": _Bound(
        MAX_CONSENTS, f"a profile may have consent for {MAX_CONSENTS} channels: refusals are kept, then the latest"
    ),
    "preferences": _Bound(
        MAX_PREFERENCES,
        f"a profile may have {MAX_PREFERENCES} answers about topics: refusals are kept, then the latest",
    ),
}


def _drop_beyond(part: Part, answers: Registers, source: Source) -> list[Statement]:
    """Drop answers beyond the bound: grants before refusals, the earliest first."""
    if len(answers.values) <= _BOUNDS[part].names:
        return []
    words = sorted(answers.words(), key=lambda word: (word[1] is False, word[2], word[0]), reverse=True)
    beyond = words[_BOUNDS[part].names :]
    for name, _, _ in beyond:
        answers.drop(name)
    return [Statement(part, name, value, said, source) for name, value, said in beyond]


class _Room:
    """The room left for traits, counted on first use.

    A deleted trait takes no room from one that is set: a profile may have used a thousand names and go on with others.
    """

    def __init__(self, traits: Registers, owner: str = "a profile") -> None:
        self._traits = traits
        self._owner = owner
        self._is_counted = False
        # Numbers of traits that are set, and of deleted ones.
        self._number = self._bytes = self._bytes_deleted = 0

    def count(self) -> None:
        """Count the traits."""
        self._is_counted = True
        values = self._traits.values
        deleted = [name for name, value in values.items() if value is None]
        self._number = len(values) - len(deleted)
        self._bytes_deleted = sum(_size(name, None) for name in deleted)
        self._bytes = sum(_size(*item) for item in values.items()) - self._bytes_deleted

    def take(self, name: str, value: Any) -> str | None:
        """Reserve room for a value, unless it is smaller; return why there is none."""
        if not self._is_counted:
            self.count()
        values = self._traits.values
        before = values.get(name)
        less = _size(name, before) if before is not None else 0
        more = _size(name, value) if value is not None else 0
        if before is None and value is not None and self._number >= MAX_TRAITS:
            return (
                f"{self._owner} may have {MAX_TRAITS:,} traits, and this one has {self._number:,}: leave `{name}` out"
            )
        if more > less and self._bytes + more - less > MAX_TRAITS_BYTES:
            return (
                f"the traits of {self._owner} may have {MAX_TRAITS_BYTES:,} bytes; "
                f"with `{name}` they would have {self._bytes + more - less:,}"
            )
        self._number += (value is not None) - (before is not None)
        self._bytes += more - less
        was_deleted, is_deleted = before is None and name in values, value is None
        if was_deleted != is_deleted:
            self._bytes_deleted += _size(name, None) if is_deleted else -_size(name, None)
        return None

    def free(self) -> None:
        """Forget the traits deleted first, until all fit."""
        values, stamps = self._traits.values, self._traits.stamps
        if not (self._is_counted and self._is_exceeded()):
            return
        for _, name in sorted((stamps.get(name, NEVER), name) for name, value in values.items() if value is None):
            self._bytes_deleted -= _size(name, None)
            self._traits.drop(name)
            if not self._is_exceeded():
                return

    def _is_exceeded(self) -> bool:
        return len(self._traits.values) > MAX_TRAITS or self._bytes + self._bytes_deleted > MAX_TRAITS_BYTES


def _select_excess(traits: Registers) -> list[tuple[str, Any, Stamp]]:
    """Return all traits after the first that does not fit, latest first."""
    latest = sorted(
        (word for word in traits.words() if word[1] is not None), key=lambda word: (word[2], word[0]), reverse=True
    )
    size = 0
    for place, (name, value, _) in enumerate(latest):
        size += _size(name, value)
        if place >= MAX_TRAITS or size > MAX_TRAITS_BYTES:
            return latest[place:]
    return []


def _size(name: str, value: Any) -> int:
    """Return the bytes of a trait as JSON, with its colon and comma."""
    return len(msgspec.json.encode(name)) + len(msgspec.json.encode(value)) + 2
