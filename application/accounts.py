"""Accounts: what events state of them and of their members, and reads of them."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from uuid_utils.compat import uuid7

from application import turns
from domain.journey.matching import ProfileEvent
from domain.long_work import LongWork
from domain.people import profile_state
from domain.people.account_view import NO_ACCOUNT, AccountKey, AccountView, account_of, may_read_account
from domain.people.accounts import (
    MEMBER,
    AccountStatement,
    find_statement,
    fold_member,
    merge_members,
    trait_trigger,
)
from domain.people.derived_events import ValueChange
from domain.people.profile import Profile
from domain.people.profile_state import ProfileState, Refusal
from domain.people.registers import Registers
from domain.tracking.event import Event
from domain.tracking.traits import ROLE
from store import account_journeys, accounts, profiles
from store.accounts import MemberKey
from store.database import Connection, PendingResult
from store.profile_changes import ProfileChange


@dataclass(frozen=True, slots=True)
class ChangeOfAccount:
    """A changed trait of an account, and the person whose event has changed it."""

    account_id: str
    profile_id: UUID
    change: ValueChange


@dataclass(frozen=True, slots=True)
class AccountsWritten:
    """The changes of accounts as rules name them, members' history, and refusals.

    `left` are the members who have left.
    """

    changes: list[ChangeOfAccount]
    history: list[ProfileChange]
    refusals: list[Refusal]
    left: set[MemberKey]


@dataclass(frozen=True, slots=True)
class PendingAccounts:
    """Statements about accounts whose locks are requested, of all accounts of `ids`."""

    ids: frozenset[str]
    statements: Sequence[AccountStatement]
    accounts: PendingResult[dict[str, Registers]]
    members: PendingResult[dict[MemberKey, Registers]]

    async def write(self, connection: Connection) -> AccountsWritten:
        """Apply the statements, and return the changes. The caller records the history."""
        traits, members = await self.accounts.get(), await self.members.get()
        written = AccountsWritten([], [], [], set())
        changed, places = await turns.run(_fold(self.statements, traits, members, written))
        if changed:
            await accounts.write(connection, changed)
        if places:
            await accounts.write_members(connection, places)
            left = (key for key, place in places.items() if _is_member(members.get(key)) and not _is_member(place))
            written.left.update(left)
        return written


async def ask_for_accounts(
    connection: Connection, statements: Sequence[AccountStatement], concerned: Iterable[ProfileEvent] = ()
) -> PendingAccounts:
    """Lock the accounts of statements and of events, after their people."""
    stated = {one.account_id for one in statements}
    if stated:
        await accounts.ensure(connection, stated)
    ids = stated | await find_concerned(connection, statements, concerned)
    locked = await accounts.lock(connection, ids)
    members = await accounts.read_members(connection, {(one.account_id, one.profile_id) for one in statements})
    return PendingAccounts(frozenset(ids), statements, locked, members)


async def find_concerned(
    connection: Connection, statements: Sequence[AccountStatement], concerned: Iterable[ProfileEvent]
) -> set[str]:
    """Return the accounts that events of people may have after the statements."""
    named: set[str] = set()
    latest: dict[UUID, int] = {}
    # With each statement a person may leave an account, and the one before is the latest.
    stated = Counter(one.profile_id for one in statements)
    for one in concerned:
        if (account_id := account_of(one.event)) is not None:
            named.add(account_id)
        else:
            latest[one.profile_id] = 1 + stated[one.profile_id]
    return named | await accounts.find_latest(connection, latest) if latest else named


async def lock_before_merge(
    connection: Connection, statements: Sequence[AccountStatement], events: Iterable[Event], people: Collection[UUID]
) -> None:
    """Lock the accounts of a batch with merges, before these lock journeys."""
    stated = {one.account_id for one in statements}
    if stated:
        await accounts.ensure(connection, stated)
    named = {named for event in events if (named := account_of(event)) is not None}
    ids = stated | named | await account_journeys.find_accounts(connection, people)
    await (await accounts.lock(connection, ids)).get()


def _fold(
    statements: Sequence[AccountStatement],
    traits: Mapping[str, Registers],
    members: Mapping[MemberKey, Registers],
    written: AccountsWritten,
) -> LongWork[tuple[dict[str, Registers], dict[MemberKey, Registers]]]:
    changed: dict[str, Registers] = {}
    places: dict[MemberKey, Registers] = {}
    for one in statements:
        if one.traits:
            state = ProfileState(traits=changed.get(one.account_id, traits[one.account_id]))
            update = profile_state.fold(state, one.traits, owner="an account")
            written.refusals.extend(update.refusals)
            if update.is_changed:
                changed[one.account_id] = update.state.traits
            written.changes.extend(
                ChangeOfAccount(
                    one.account_id,
                    one.profile_id,
                    ValueChange(trait_trigger(change.name), change.before, change.after, change.source),
                )
                for change in update.changes
            )
        key = (one.account_id, one.profile_id)
        before = places.get(key, members.get(key, Registers()))
        after = places[key] = fold_member(before, one.place, one.said)
        if _describe(before) != _describe(after):
            written.history.append(_change(one, before, after))
        yield
    return changed, places


def _change(one: AccountStatement, before: Registers, after: Registers) -> ProfileChange:
    changes = {one.account_id: {"before": _describe(before), "after": _describe(after)}}
    source = one.source
    return ProfileChange(uuid7(), one.profile_id, "accounts", changes, source.kind, source.id, source.name, source.at)


def _is_member(member: Registers | None) -> bool:
    return member is not None and bool(member.values.get(MEMBER))


def _describe(member: Registers) -> dict[str, str | None] | None:
    return {ROLE: member.values.get(ROLE)} if _is_member(member) else None


async def merge_memberships(connection: Connection, merged: Mapping[UUID, UUID]) -> None:
    """Make the people who stay members of the accounts of those who are merged.

    The caller has locked the people. If both are members of an account, the latest statements hold.
    """
    known = await accounts.read_members_of(connection, {*merged, *merged.values()})
    places: dict[MemberKey, Registers] = {}
    for (account_id, profile_id), registers in sorted(known.items(), key=lambda item: item[0]):
        if (target := merged.get(profile_id)) is not None:
            key = (account_id, target)
            places[key] = merge_members(places.get(key, known.get(key, Registers())), registers)
    if places:
        await accounts.delete_members_of(connection, merged)
        await accounts.write_members(connection, places)


async def restate_memberships(connection: Connection, profile_ids: Collection[UUID]) -> None:
    """Replace the memberships of locked people by what their own events state."""
    places: dict[MemberKey, Registers] = {}
    since = await profiles.find_first_arrival(connection, profile_ids)
    for one in await accounts.member_events(connection, profile_ids, since) if since else ():
        if (said := find_statement(one.event, one.profile_id, one.received_at)) is not None:
            key = (said.account_id, said.profile_id)
            places[key] = fold_member(places.get(key, Registers()), said.place, said.said)
    await accounts.delete_members_of(connection, profile_ids)
    if places:
        await accounts.write_members(connection, places)


async def read_accounts(connection: Connection, events: Iterable[ProfileEvent]) -> dict[AccountKey, AccountView]:
    """Return the accounts that the conditions of events see."""
    return await accounts.views(connection, {(one.profile_id, account_of(one.event)) for one in events})


async def read_latest_accounts(
    connection: Connection, where: str, people: Iterable[Profile]
) -> dict[UUID, AccountView]:
    """Return the latest account of each person, if a condition reads accounts."""
    if not may_read_account(where):
        return {}
    found = await accounts.views(connection, [(person.id, None) for person in people])
    return {profile_id: account for (profile_id, _), account in found.items()}


async def read_account(connection: Connection, profile_id: UUID, entry: Event, account_id: str | None) -> AccountView:
    """Return the account that a journey's steps and messages see: its own, if any."""
    key = (profile_id, account_id or account_of(entry))
    return (await accounts.views(connection, [key])).get(key, NO_ACCOUNT)
