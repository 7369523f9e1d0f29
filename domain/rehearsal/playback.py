"""Recorded history, played over a simulation in the order of arrival."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import assert_never
from uuid import UUID, uuid5

from msgspec import Struct

from domain.channels.kinds import normalized_addresses
from domain.people.address_statements import Address
from domain.people.identity import Identity
from domain.people.profile_state import Source, Statement
from domain.people.registers import stamp
from domain.rehearsal.history import PastChange, PastEvent, PersonHistory
from domain.rehearsal.known_people import KnownPeople
from domain.rehearsal.messages import SimulatedMessage
from domain.rehearsal.past_people import PARTS
from domain.rehearsal.people import SimulatedPerson
from domain.rehearsal.routing import Refusals
from domain.rehearsal.rulebook import Rulebook
from domain.rehearsal.simulator import Simulator
from domain.tracking.event import Event


class GivenMessage(Struct, frozen=True):
    """A real message that counts, since its campaign or its journey is not simulated."""

    message: SimulatedMessage


class GivenEnd(Struct, frozen=True):
    """The real end of a journey that was under way when the simulation began."""

    journey_id: UUID


# Recorded things that happen to a person, in their order.
RecordedItem = PastEvent | PastChange | GivenMessage | GivenEnd


class Playback(Struct, frozen=True):
    """The period of a simulation, and the campaigns of which it makes the messages.

    The messages and journeys of all other campaigns are taken as they were. Those `running` have been before.
    """

    since: datetime
    until: datetime
    simulated: frozenset[str]
    running: frozenset[str]

    def takes_as_given(self, history: PersonHistory, under_way: Collection[UUID]) -> Iterator[SimulatedMessage]:
        """Iterate over the messages of the period that are not simulated."""
        for one in history.messages:
            if one.granted.at >= self.since and (
                one.granted.campaign_key not in self.simulated or one.granted.journey_id in under_way
            ):
                yield one


class Player:
    """Plays histories over one simulation. `skipped` are counts of left-out events."""

    def __init__(
        self,
        rulebook: Rulebook,
        playback: Playback,
        simulator: Simulator,
        rename: Callable[[Event], Event | None] | None = None,
    ) -> None:
        """`rename` turns reactions into those to simulated messages; else none is played."""
        self._playback = playback
        self._simulator = simulator
        self._known = KnownPeople(rulebook, playback.since)
        self._rename = rename
        self.skipped: Counter[str] = Counter()

    def play(self, histories: Iterable[PersonHistory]) -> None:
        """Put people in as they were, and let happen what is recorded until the end."""
        playback, people = self._playback, self._simulator.people
        items: list[tuple[datetime, int, Sequence[Identity], RecordedItem]] = []
        for history in histories:
            known = list(self._known.make(history))
            for person, past in known:
                self._simulator.introduce(person, past.identities, playback.since)
            self._expect(history)
            names = sorted(history.identities, key=lambda one: (one.kind != "user", one))
            under_way = {id for person, _ in known for id in person.under_way}
            for at, what in self._list(history, under_way):
                if playback.since <= at < playback.until:
                    items.append((at, len(items), names, what))
        self._simulator.start(playback.since, playback.running)
        for at, _, named, what in sorted(items, key=lambda one: one[:2]):
            self._simulator.pass_time(at)
            if isinstance(what, PastEvent):
                self._take(what)
            elif (found := next((one for name in named if (one := people.find(name)) is not None), None)) is not None:
                self._happen(found, what, at)
        self._simulator.pass_time(playback.until)

    def _expect(self, history: PersonHistory) -> None:
        """Have people who come later get the ids that they got."""
        people, own = self._simulator.people, set(history.identities)
        for merge in history.merges:
            if merge.by is not None and merge.by.event.anonymous_id is not None:
                merged = Identity("anonymous", merge.by.event.anonymous_id)
                own.discard(merged)
                people.expect(merge.source_id, [merged])
        people.expect(history.profile.id, own)

    def _list(self, history: PersonHistory, under_way: Collection[UUID]) -> Iterator[tuple[datetime, RecordedItem]]:
        replayed = {str(one.event.id) for one in history.events if self._replays(one)}
        for event in history.events:
            if self._replays(event):
                yield event.received_at, event
            else:
                self.skipped["reactions" if event.is_reaction else "caused"] += 1
        for change in (*history.changes, *self._list_shared(history)):
            if self._is_given(change, replayed):
                yield change.at, change
        for message in self._playback.takes_as_given(history, under_way):
            yield message.granted.at, GivenMessage(message)
        for one in history.journeys:
            if one.journey.id in under_way and one.ended_at is not None:
                yield one.ended_at, GivenEnd(one.journey.id)

    def _list_shared(self, history: PersonHistory) -> Iterator[PastChange]:
        """Iterate over the refusals of addresses that another person has caused."""
        own = {
            (value, kind)
            for one in history.changes
            if one.part == "addresses"
            for value in one.changes
            for kind in one.changes[value]["after"]
        }
        for (_, value), registers in history.refusals.items():
            for kind, reason, said in registers.words():
                at = said.instant()
                if at is not None and at >= self._playback.since and (value, kind) not in own:
                    changes = {value: {"before": {kind: None}, "after": {kind: reason}}}
                    id = uuid5(history.profile.id, f"{value} {kind}")
                    yield PastChange(id, "addresses", changes, Source("address", said.id, at), at)

    def _replays(self, event: PastEvent) -> bool:
        return not event.is_made_by_rule and (not event.is_reaction or self._rename is not None)

    def _is_given(self, change: PastChange, replayed: Collection[str]) -> bool:
        """Whether a change comes from outside of the simulation.

        A simulated event states nothing about addresses.
        """
        if change.part == "addresses":
            return True
        if change.source.kind == "merge" or change.source.id in replayed:
            return False
        return change.campaign not in self._playback.simulated

    def _take(self, arrived: PastEvent) -> None:
        event: Event | None = arrived.event
        if arrived.is_reaction and self._rename is not None:
            event = self._rename(arrived.event)
        if event is not None:
            self._simulator.take(event, arrived.received_at)

    def _happen(self, person: SimulatedPerson, what: PastChange | GivenMessage | GivenEnd, at: datetime) -> None:
        match what:
            case PastChange():
                statements, refused = read_change(what, person)
                if statements or refused:
                    self._simulator.change(person, statements, refused, what.source, at)
            case GivenMessage(message=message):
                person.messages.append(message)
            case GivenEnd(journey_id=journey_id):
                person.under_way.pop(journey_id, None)
            case _:
                assert_never(what)


def read_change(change: PastChange, person: SimulatedPerson) -> tuple[list[Statement], Refusals]:
    """Return the statements of a row about a person, and about their addresses."""
    source = change.source
    if change.part in PARTS:
        said = stamp(source.at, source.id, source.label)
        return [
            Statement(change.part, name, values["after"], said, source)  # type: ignore[arg-type]
            for name, values in change.changes.items()
        ], {}
    if change.part != "addresses":
        return [], {}
    own: dict[str, list[Address]] = {}
    for channel, value in normalized_addresses(person.profile.traits).items():
        own.setdefault(value, []).append((channel, value))
    refused = {
        channel: {**person.profile.refused_addresses.get(channel, {}), **kinds["after"]}
        for value, kinds in change.changes.items()
        for channel, _ in own.get(value, ())
    }
    return [], refused
