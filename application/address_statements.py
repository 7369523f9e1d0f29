"""Apply statements about addresses, which people may share."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import UUID

from application.profile_history import build_change
from domain.people.address_statements import Address, AddressStatement
from domain.people.consent import AddressRefusal
from domain.people.registers import Registers, Stamp, is_set
from store import addresses, marked_people
from store.database import Connection, PendingResult
from store.profile_changes import ProfileChange


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
