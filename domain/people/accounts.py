"""Accounts: groups of people with traits of their own, and the members of each.

Sources: Segment's spec of `group`, and of "Account Added User" and "Account Removed User" (spec for B2B SaaS).
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from domain.people.account_view import account_of
from domain.people.derived_events import ChangeOfProfile, ValueChange
from domain.people.profile_state import Source, Statement
from domain.people.registers import Registers, Stamp
from domain.people.statements import event_source, stamp_of, statements_of_traits
from domain.tracking.event import Event, Trigger
from domain.tracking.stored_event import StoredEvent
from domain.tracking.traits import ROLE, is_role

ADDED_USER: Final = "Account Added User"
REMOVED_USER: Final = "Account Removed User"
# The registers of a member, beside ROLE.
MEMBER: Final = "member"
TRAIT_PREFIX: Final = "account.traits."


def trait_trigger(name: str) -> Trigger:
    """Return the trigger of a changed trait of an account."""
    return Trigger("changed", f"{TRAIT_PREFIX}{name}")


class AccountStatement(Struct, frozen=True):
    """The statement of an event about an account, and about one person as its member.

    `place` holds values of the member's registers, MEMBER and ROLE.
    """

    account_id: str
    profile_id: UUID
    traits: list[Statement]
    place: dict[str, Any]
    said: Stamp
    source: Source


def states_account(event: Event) -> bool:
    """Whether an event states a member of an account, or that a person is none."""
    return event.type == "group" or (event.type == "track" and event.name in (ADDED_USER, REMOVED_USER))


def account_statement(event: Event, profile_id: UUID, source: Source, said: Stamp) -> AccountStatement | None:
    """Return the statement of an event; None if it states none, or names no account."""
    account_id = account_of(event) if states_account(event) else None
    if account_id is None:
        return None
    traits: list[Statement] = []
    place: dict[str, Any] = {MEMBER: True}
    if event.type == "group":
        traits = statements_of_traits(
            {name: value for name, value in event.properties.items() if name != ROLE}, said, source
        )
    elif event.name == REMOVED_USER:
        place = {MEMBER: False, ROLE: None}
    if place[MEMBER] and ROLE in event.properties and is_role(event.properties[ROLE]):
        place[ROLE] = event.properties[ROLE]
    return AccountStatement(account_id, profile_id, traits, place, said, source)


def fold_member(registers: Registers, place: Mapping[str, Any], said: Stamp) -> Registers:
    """Return a member's registers after a statement; the latest of each name holds."""
    new = registers.copy()
    for name, value in place.items():
        if new.yields_to(name, value, said, _is_refusal):
            new.put(name, value, said)
    return new


def merge_members(target: Registers, other: Registers) -> Registers:
    """Return the registers of one person who was two members of an account."""
    new = target
    for name, value, said in other.words():
        new = fold_member(new, {name: value}, said)
    return new


def account_statements(fresh: Iterable[StoredEvent], received_at: datetime) -> list[AccountStatement]:
    """Return the statements of a batch about accounts, in order."""
    found = (find_statement(one.event, one.profile_id, received_at) for one in fresh if states_account(one.event))
    return [one for one in found if one is not None]


def possible_changes(statements: Iterable[AccountStatement]) -> Iterator[ChangeOfProfile]:
    """Iterate over the changes that statements may make."""
    for one in statements:
        for trait in one.traits:
            yield one.profile_id, ValueChange(trait_trigger(trait.name), None, None, trait.source)


def find_statement(event: Event, profile_id: UUID, received_at: datetime) -> AccountStatement | None:
    """Return the statement of an event about an account; None if it makes none."""
    # Every event passes here.
    if not states_account(event):
        return None
    source = event_source(event)
    return account_statement(event, profile_id, source, stamp_of(event, source, received_at))


def _is_refusal(value: Any) -> bool:
    return value is False or value is None
