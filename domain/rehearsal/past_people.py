"""People as they were at an instant: today's, without everything that came later.

The history of a profile is append-only and has each value before and after, so later changes are undone from the last
to the first. A profile that was merged later is a person of its own again: its names are told by the events that linked
them, and its values by the changes that these names reported.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, get_args
from uuid import UUID

from msgspec import Struct, field
from msgspec.structs import replace

from domain.channels.kinds import normalized_addresses
from domain.epoch import to_microseconds
from domain.people.address_statements import Address
from domain.people.identity import Identity, find_main_identity, identities_of
from domain.people.places.location import LOCATION
from domain.people.profile import Profile
from domain.people.profile_state import Part, ProfileState
from domain.people.registers import Registers, stamp
from domain.rehearsal.history import PastChange, PastMerge, PersonHistory
from domain.tracking.event import Event

PARTS: Final[frozenset[str]] = frozenset(get_args(Part))


class PastPerson(Struct, frozen=True):
    """A person at an instant. `owns` tells which of the history's events are theirs."""

    profile: Profile
    bucket: UUID
    state: ProfileState
    identities: frozenset[Identity]
    owns: Callable[[Event], bool]


class PastNames(Struct, frozen=True):
    """The names of one person among those that are one today; `id` is their profile's.

    One who is merged into the person of today is one `until` then.
    """

    id: UUID
    identities: frozenset[Identity]
    until: datetime | None = None

    @property
    def is_merged(self) -> bool:
        """Whether they are part of another person today."""
        return self.until is not None


def find_people_at(history: PersonHistory, at: datetime) -> list[PastPerson]:
    """Return who the people of a history were at an instant; none before they came.

    Two users are one person all the time if an operator has merged them since.
    """
    names = find_names_at(history, at)
    people = []
    for one in names:
        if not one.identities:
            continue
        owner = _Owner(one, [*names, *_find_newcomers(history, at, names)])
        own = [change for change in history.changes if owner.owns_change(change)]
        state = fold_changes(own, at) if one.is_merged else undo(history, at, own)
        people.append(_build(history, one, state, at, owner.owns))
    return people


def find_names_at(history: PersonHistory, at: datetime) -> list[PastNames]:
    """Return the names that each of the people had at an instant, that of today first.

    They have none if they came later.
    """
    linked = list(_iter_linked(history.changes))
    later = {identity for change, identities in linked if change.at >= at for identity in identities}
    known = set(history.identities) - later
    found, own = [], set[Identity]()
    for group in _group(known, (change for change in linked if change[0].at < at)):
        if (merge := _find_merge(history, at, group)) is None:
            own |= group
        else:
            found.append(PastNames(merge.source_id, frozenset(group), merge.at))
    return [PastNames(history.profile.id, frozenset(own)), *found]


def _find_newcomers(history: PersonHistory, at: datetime, names: Sequence[PastNames]) -> list[PastNames]:
    """Return the names of people who came later, and were then merged."""
    merged, named = {one.id for one in names}, {identity for one in names for identity in one.identities}
    return [
        PastNames(one.source_id, frozenset(own), one.at)
        for one in history.merges
        if one.at >= at and one.by is not None and one.source_id not in merged
        for own in [{other for other in identities_of([one.by.event]) - named if other.kind != "user"}]
    ]


def _find_merge(history: PersonHistory, at: datetime, group: Collection[Identity]) -> PastMerge | None:
    """Return the later merge by an event of these names; None if they have stayed."""
    if any(one.kind == "user" for one in group):
        return None
    return next(
        (
            one
            for one in history.merges
            if one.at >= at and one.by is not None and not identities_of([one.by.event]).isdisjoint(group)
        ),
        None,
    )


def undo(history: PersonHistory, at: datetime, changes: Sequence[PastChange]) -> ProfileState:
    """Return the values of a profile without the changes from an instant on.

    A value from before has the stamp of the change that made it, if that is kept. No stamp is later than the instant,
    and a location, of which no history is kept, is forgotten if it is.
    """
    state, limit = history.profile.state().copy(), to_microseconds(at)
    location = state.context.stamps.get(LOCATION)
    if location is not None and location.at >= limit:
        state.context.drop(LOCATION)
    before = fold_changes(changes, at)
    seen: set[tuple[str, str]] = set()
    for change in changes:
        if change.at < at or change.part not in PARTS:
            continue
        registers = _part(state, change.part)
        for name, values in change.changes.items():
            if (change.part, name) not in seen:
                seen.add((change.part, name))
                _restore(registers, name, values["before"], _part(before, change.part))
    for part in PARTS:
        stamps = _part(state, part).stamps
        for name, said in stamps.items():
            if said.at > limit:
                stamps[name] = said._replace(at=limit)
    return state


def fold_changes(changes: Iterable[PastChange], until: datetime) -> ProfileState:
    """Return the values that the changes before an instant have made."""
    state = ProfileState()
    for change in changes:
        if change.at < until and change.part in PARTS:
            registers = _part(state, change.part)
            for name, values in change.changes.items():
                source = change.source
                registers.put(name, values["after"], stamp(source.at, source.id, source.label))
    return state


def find_refused_at(history: PersonHistory, at: datetime) -> dict[Address, dict[str, str | None]]:
    """Return why addresses of a person refused messages at an instant."""
    limit, refused = to_microseconds(at), dict[Address, dict[str, str | None]]()
    undone = dict[tuple[str, str], str | None]()
    for change in history.changes:
        if change.part == "addresses" and change.at >= at:
            for value, kinds in change.changes.items():
                for kind, reason in kinds["before"].items():
                    undone.setdefault((value, kind), reason)
    for address, registers in history.refusals.items():
        now = {
            kind: undone.get((address[1], kind), None if said.at >= limit else reason)
            for kind, reason, said in registers.words()
        }
        if any(reason is not None for reason in now.values()):
            refused[address] = now
    return refused


def _restore(registers: Registers, name: str, value: Any, before: Registers) -> None:
    if value is None and name not in before.values:
        registers.values.pop(name, None)
        registers.stamps.pop(name, None)
        return
    registers.values[name] = value
    if name in before.stamps:
        registers.stamps[name] = before.stamps[name]
    else:
        registers.stamps.pop(name, None)


def _part(state: ProfileState, name: str) -> Registers:
    registers: Registers = getattr(state, name)
    return registers


def _build(
    history: PersonHistory, names: PastNames, state: ProfileState, at: datetime, owns: Callable[[Event], bool]
) -> PastPerson:
    today = history.profile
    user_ids = [one.value for one in names.identities if one.kind == "user"]
    user_id = today.user_id if today.user_id in user_ids else min(user_ids, default=None)
    refused = find_refused_at(history, at)
    own = {
        channel: refused[channel, value]
        for channel, value in normalized_addresses(state.traits.values).items()
        if (channel, value) in refused
    }
    profile = replace(today.with_state(state), id=names.id, user_id=user_id, said=None, refused_addresses=own)
    sources = {one.source_id for one in history.merges if one.at >= at}
    is_inherited = names.is_merged or history.bucket in sources
    return PastPerson(profile, names.id if is_inherited else history.bucket, state, names.identities, owns)


class _Owner(Struct, frozen=True):
    """Tells what is of one of the people who are one today.

    `all` begins with the person of today, whose everything is that names none of the others.
    """

    own: PastNames
    all: Sequence[PastNames]
    of: dict[Identity, UUID] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.of.update({identity: one.id for one in self.all for identity in one.identities})

    def owns(self, event: Event) -> bool:
        """Whether an event named them; one with a user's id is the user's."""
        return self._find(event) == self.own.id

    def _find(self, event: Event) -> UUID | None:
        named = {one for one in identities_of([event]) if one in self.of}
        return self.of[find_main_identity(named)] if named else None

    def owns_change(self, change: PastChange) -> bool:
        """Whether a change was made to their profile.

        A merge changes the profile that stays, and so, as far as is known, do sources without an event.
        """
        if change.event is None or change.source.kind == "merge":
            return not self.own.is_merged
        id = self._find(change.event.event) or self.all[0].id
        is_past = any(one.id == id and one.until is not None and one.until <= change.at for one in self.all)
        return not self.own.is_merged if is_past else id == self.own.id


def _iter_linked(changes: Iterable[PastChange]) -> Iterator[tuple[PastChange, list[Identity]]]:
    for change in changes:
        if change.part == "identity":
            yield change, [Identity(one["kind"], one["value"]) for one in change.changes.get("linked", ())]


def _group(known: set[Identity], linked: Iterable[tuple[PastChange, Sequence[Identity]]]) -> list[set[Identity]]:
    """Group names that events have linked with each other, or merged."""
    groups: dict[Identity, set[Identity]] = {identity: {identity} for identity in sorted(known)}
    for change, identities in linked:
        named = {*identities, *(identities_of([change.event.event]) if change.event is not None else ())}
        joined = [one for one in sorted(named) if one in groups]
        for other in joined[1:]:
            group = groups[joined[0]]
            if groups[other] is not group:
                group |= groups[other]
                groups.update(dict.fromkeys(groups[other], group))
    return list({id(group): group for group in groups.values()}.values())
