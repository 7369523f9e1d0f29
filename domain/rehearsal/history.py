"""The recorded history of people, as a simulation of the past reads it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct, field

from domain.journey.records import Journey
from domain.people.address_statements import Address
from domain.people.device_addresses import DeviceAddress
from domain.people.identity import Identity
from domain.people.profile import Profile
from domain.people.profile_state import Source
from domain.people.registers import Registers
from domain.people.session_events import SESSION_ENDED
from domain.rehearsal.messages import SimulatedMessage
from domain.tracking.event import DERIVED, OUR_CONTEXT, SOJOURN_SOURCE, Event
from domain.tracking.reactions import message_reacted_to

# Sources whose changes are stated at the deployment's clock: they have no event with an arrival.
_TIMED_SOURCES = frozenset({"operator", "link", "step", "address"})


class PastEvent(Struct, frozen=True):
    """An event with its arrival."""

    received_at: datetime
    event: Event

    @property
    def is_made_by_rule(self) -> bool:
        """Whether a rule of Sojourn made it: a simulation makes its own."""
        ours = self.event.context.get(OUR_CONTEXT)
        if isinstance(ours, dict) and ("caused_by" in ours or "chain" in ours):
            return True
        is_of_session = self.event.name == SESSION_ENDED and self.event.source == SOJOURN_SOURCE
        return self.event.type in DERIVED or is_of_session

    @property
    def is_reaction(self) -> bool:
        """Whether it reports the fate of a message, or what its recipient did with it."""
        is_report = self.event.source == SOJOURN_SOURCE and "message_id" in self.event.properties
        return is_report or message_reacted_to(self.event) is not None


class PastChange(Struct, frozen=True):
    """A row of the history of a profile; `event` has made it, if it is stored."""

    id: UUID
    part: str
    changes: Mapping[str, Any]
    source: Source
    recorded_at: datetime
    event: PastEvent | None = None

    @property
    def at(self) -> datetime:
        """When it took effect: with the arrival of its event, or as its source states."""
        if self.event is not None:
            return self.event.received_at
        return self.source.at if self.source.kind in _TIMED_SOURCES else self.recorded_at

    @property
    def campaign(self) -> str | None:
        """The campaign whose step made it."""
        return self.source.name.partition("/")[0] if self.source.kind == "step" else None


class PastJourney(Struct, frozen=True):
    """A journey as it really went."""

    journey: Journey
    ended_at: datetime | None


class PastMerge(Struct, frozen=True):
    """A profile that was merged into the person, by an event or an operator."""

    source_id: UUID
    recorded_at: datetime
    by: PastEvent | None

    @property
    def at(self) -> datetime:
        """When it took effect: with the arrival of its event."""
        return self.recorded_at if self.by is None else self.by.received_at


class PastDevice(Struct, frozen=True):
    """The address of a device, and when it was known."""

    address: DeviceAddress
    registered_at: datetime
    removed_at: datetime | None


class PersonHistory(Struct, frozen=True):
    """A person as they are now, and what was recorded of them.

    `changes` are in the order in which they were recorded: those of the period, with the earlier ones of a person who
    was changed in it. `before` are the events before the period that its rules count, and `events` those of the period.
    `refusals` are of the addresses that the person has or had.
    """

    profile: Profile
    bucket: UUID
    identities: Sequence[Identity]
    refusals: Mapping[Address, Registers] = field(default_factory=dict)
    changes: Sequence[PastChange] = ()
    before: Sequence[PastEvent] = ()
    events: Sequence[PastEvent] = ()
    messages: Sequence[SimulatedMessage] = ()
    journeys: Sequence[PastJourney] = ()
    devices: Sequence[PastDevice] = ()
    merges: Sequence[PastMerge] = ()
