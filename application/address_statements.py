"""Apply statements about addresses, which people may share."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from application.profile_history import build_change
from domain.channels.kinds import normalized_addresses
from domain.people.consent import AddressRefusal
from domain.people.profile_state import Proof, Source
from domain.people.registers import Registers, Stamp, is_set, stamp
from store import addresses, marked_people
from store.addresses import Address
from store.database import Connection, PendingResult
from store.profile_changes import ProfileChange
from store.profiles import Profile


class AddressStatement(Struct, frozen=True):
    """Why an address refuses messages; `profile_id` has the history."""

    profile_id: UUID
    address: Address
    kind: AddressRefusal
    value: str | None
    said: Stamp
    source: Source


class ReportedRefusal(Struct, frozen=True):
    """The refusal of an address, or its end: what a report about a message says of it.

    `address` is the message's, normalised. `reason` is None if the refusal ends.
    """

    channel: str
    address: str
    kind: AddressRefusal
    reason: str | None

    def statement(self, profile_id: UUID, source: Source) -> AddressStatement:
        """Return the statement, which the report's event makes."""
        said = stamp(source.at, source.id, source.label)
        return AddressStatement(profile_id, (self.channel, self.address), self.kind, self.reason, said, source)


class LinkStatement(Struct, frozen=True):
    """The use of a link, which binds the address that it was sent to and the profile.

    `address` is the message's, normalised; None on a channel without addresses. `refusals` are those of the address:
    the reasons, or None to lift one. `proof` is that of the consents.
    """

    channel: str
    address: str | None
    refusals: Mapping[AddressRefusal, str | None]
    proof: Proof | None = None

    def statements(self, profile_id: UUID, source: Source) -> list[AddressStatement]:
        """Return the statements of the link about the address."""
        if self.address is None:
            return []
        said = stamp(source.at, source.id, source.label)
        return [
            AddressStatement(profile_id, (self.channel, self.address), kind, why, said, source)
            for kind, why in self.refusals.items()
        ]


async def lock_addresses(
    connection: Connection, named: Collection[Address], of_addresses: Sequence[AddressStatement]
) -> PendingResult[dict[Address, Registers]] | None:
    """Lock the addresses of statements; `named` are those that traits name.

    The result holds what is known of the addresses of `of_addresses`; None without any.
    """
    refusing = {one.address for one in of_addresses}
    if named or refusing:
        await addresses.ensure(connection, refusing.union(named))
    return await addresses.lock(connection, refusing) if refusing else None


async def write_addresses(
    connection: Connection,
    known: Mapping[Address, Registers],
    said: Iterable[AddressStatement],
    refused: dict[Address, dict[str, str | None]],
) -> list[ProfileChange]:
    """Apply statements to locked addresses, update `refused` and return the history."""
    history = []
    changed: set[Address] = set()
    by: set[UUID] = set()
    for one in said:
        registers = known[one.address]
        before = registers.values.get(one.kind)
        if not registers.yields_to(one.kind, one.value, one.said, is_set):
            continue
        registers.put(one.kind, one.value, one.said)
        refused[one.address] = registers.values
        if before != one.value:
            _, value = one.address
            changed.add(one.address)
            by.add(one.profile_id)
            changes = {value: {"before": {one.kind: before}, "after": {one.kind: one.value}}}
            history.append(build_change(one.profile_id, "addresses", changes, one.source))
    await addresses.write(connection, known)
    if changed:
        await marked_people.mark(connection, changed, by)
    return history


async def state_refusal(
    connection: Connection, address: Address, kind: AddressRefusal, value: str | None, said: Stamp
) -> None:
    """Apply a statement about an address that no person has."""
    await addresses.ensure(connection, {address})
    known = await (await addresses.lock(connection, {address})).get()
    registers = known[address]
    if registers.yields_to(kind, value, said, is_set):
        registers.put(kind, value, said)
        await addresses.write(connection, known)


def with_refused(person: Profile, refused: Mapping[Address, dict[str, str | None]]) -> Profile:
    """Return the person with the refusals of their own addresses."""
    own = {
        channel: refused[channel, value]
        for channel, value in normalized_addresses(person.traits).items()
        if (channel, value) in refused
    }
    return replace(person, refused_addresses=own) if own else person
