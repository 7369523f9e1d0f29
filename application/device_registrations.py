"""Registrations of devices for push: by events of apps and pages, and by a server."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from application.people import lock_person
from domain.errors import InvalidRequestError, NotFoundError
from domain.people.device_addresses import (
    DeviceAddress,
    RemovedDevice,
    find_fault,
    read_registration,
    read_removal,
)
from domain.people.identity import PersonRef
from domain.people.sessions import LAST_SEEN_STEP
from domain.tracking.event import Event
from store import campaigns, device_addresses
from store.database import Connection, Database
from store.device_addresses import KnownAddress
from store.stream import StreamedEvent

LOGGED_OUT = "logged_out"


@dataclass(frozen=True, slots=True)
class Registrations:
    """Registrations and removals of devices by events, the latest word about each."""

    registered: dict[str, tuple[UUID, DeviceAddress]] = field(default_factory=dict)
    removed: list[tuple[UUID, RemovedDevice]] = field(default_factory=list)

    @property
    def people(self) -> set[UUID]:
        """The people who are to be locked."""
        return {id for id, _ in (*self.registered.values(), *self.removed)}

    def add(self, profile_id: UUID, event: Event, not_after: datetime) -> None:
        """Add what an event says, as of an instant at the latest.

        A client's clock may be ahead: until then, what others say of the device would be history.
        """
        event = replace(event, timestamp=min(event.timestamp, not_after))
        if (gone := read_removal(event)) is not None:
            self.removed.append((profile_id, gone))
        elif (found := read_registration(event)) is not None:
            known = self.registered.get(found.value)
            if known is None or known[1].seen_at <= found.seen_at:
                self.registered[found.value] = profile_id, found

    async def select_news(self, connection: Connection) -> "Registrations":
        """Return those that change what is known; most events repeat it."""
        if not self.registered:
            return self
        known = await (await device_addresses.find(connection, self.registered)).get()
        news = {value: (id, one) for value, (id, one) in self.registered.items() if _is_news(known.get(value), id, one)}
        return Registrations(news, self.removed)

    async def write(self, connection: Connection, locked: Collection[UUID]) -> None:
        """Write the news of locked people."""
        await device_addresses.register(connection, [one for one in self.registered.values() if one[0] in locked])
        if removed := [one for one in self.removed if one[0] in locked]:
            await device_addresses.remove_devices(connection, removed)


def read_registrations(people: Mapping[UUID, Sequence[StreamedEvent]]) -> Registrations:
    """Return what the events of people say of their devices."""
    found = Registrations()
    for id, rows in people.items():
        for row in rows:
            found.add(id, row.event, row.received_at)
    return found


class DeviceRegistry:
    """Registers and removes the devices of known people, as their server says.

    Once a call returns, the gate goes by it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def register(self, ref: PersonRef, address: DeviceAddress) -> None:
        """Register a device; its token leaves its former person.

        Raises InvalidRequestError, and NotFoundError for an unknown person.
        """
        if (fault := find_fault(address)) is not None:
            raise InvalidRequestError(fault)
        async with self._database.transaction() as connection:
            await campaigns.lock_registry_shared(connection)
            person = await lock_person(connection, ref)
            await device_addresses.register(connection, [(person.id, address)])

    async def remove(self, ref: PersonRef, device_id: str) -> None:
        """Remove a device, as its person logs out. Raises NotFoundError."""
        async with self._database.transaction() as connection:
            await campaigns.lock_registry_shared(connection)
            person = await lock_person(connection, ref)
            gone = RemovedDevice(connection.clock.now(), LOGGED_OUT, device_id=device_id)
            if not await device_addresses.remove_devices(connection, [(person.id, gone)]):
                raise NotFoundError(f"{ref} has no device {device_id} that could be reached")


def _is_news(known: KnownAddress | None, profile_id: UUID, found: DeviceAddress) -> bool:
    """Return whether a registration changes what is known, by more than some minutes."""
    if known is None or known.removed_at is not None or known.profile_id != profile_id:
        return True
    before = known.address
    if found.seen_at >= before.seen_at + LAST_SEEN_STEP:
        return True
    said = (found.kind, found.app, found.device_id, found.keys)
    return found.seen_at >= before.seen_at and said != (before.kind, before.app, before.device_id, before.keys)
