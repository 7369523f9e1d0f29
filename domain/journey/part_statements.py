"""Statements in the events of a batch, and the people that they concern."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from domain.journey.listeners import Listeners
from domain.people.accounts import AccountStatement, account_statements
from domain.people.address_statements import AddressStatement, LinkStatement, ReportedRefusal
from domain.people.computed.deployed import DeployedTraits
from domain.people.identity import Resolution
from domain.people.profile_state import Source, Statement
from domain.people.segments.affected import find_affected
from domain.people.segments.deployed import DeployedSegments
from domain.people.statements import claims_of, event_source, location_of, statements_of, surroundings_of
from domain.tracking.event import Event
from domain.tracking.stored_event import StoredEvent


@dataclass(frozen=True, slots=True)
class PartStatements:
    """Statements about people, by profile, about accounts and about addresses.

    `heard` are the ids of events that rules hear. `counted` are the people whose computed traits follow an event, and
    `touched` everyone with a heard or counted event, a statement, or an event that may change a segment. `affected` are
    those segments, by the id of the event.
    """

    heard: Collection[UUID]
    counted: Collection[UUID]
    touched: frozenset[UUID]
    said: Mapping[UUID, Sequence[Statement]]
    of_accounts: Sequence[AccountStatement]
    of_addresses: Sequence[AddressStatement]
    affected: Mapping[UUID, frozenset[int]]


def read_statements(
    effective: Sequence[StoredEvent],
    resolution: Resolution,
    listeners: Listeners,
    traits: DeployedTraits,
    segments: DeployedSegments,
    received_at: datetime,
    by_link: LinkStatement | None,
    refusals: Mapping[UUID, ReportedRefusal],
) -> PartStatements:
    """Read the statements of events in order. `by_link` is what the first reports."""
    heard = {entry.event.id for entry in effective if listeners.hears(entry.event)}
    said = _statements(effective, heard, received_at, by_link)
    counted = {entry.profile_id for entry in effective if traits.following.hears(entry.event)}
    of_accounts = account_statements(effective, received_at)
    touched = {entry.profile_id for entry in effective if heard and entry.event.id in heard} | said.keys() | counted
    touched |= {statement.profile_id for statement in of_accounts}
    of_addresses = _link_statements(effective[0], by_link) if by_link else []
    for one in effective if refusals else ():
        if (refusal := refusals.get(one.event.id)) is not None:
            of_addresses.append(refusal.statement(one.profile_id, event_source(one.event)))
    touched |= {statement.profile_id for statement in of_addresses}
    pairs = ((entry.profile_id, entry.event) for entry in effective)
    affected = find_affected(pairs, segments, traits.following, said, resolution)
    if affected:
        touched |= {entry.profile_id for entry in effective if entry.event.id in affected}
    return PartStatements(heard, counted, frozenset(touched), said, of_accounts, of_addresses, affected)


def _statements(
    effective: Sequence[StoredEvent], heard: Collection[UUID], received_at: datetime, by_link: LinkStatement | None
) -> dict[UUID, list[Statement]]:
    """Return the statements of a batch by profile, in order; `heard` have listeners.

    The context of an event counts only if its profile is locked anyway: an event without listeners costs no lock. A
    location counts always.
    """
    said: dict[UUID, list[Statement]] = {}
    for one in effective:
        event = one.event
        is_folded = event.type == "identify" or (heard and event.id in heard)
        source = _source(event, by_link)
        statements = location_of(event, source, received_at)
        if not (is_folded or event.claims or statements):
            continue
        statements += claims_of(event, source, received_at)
        if is_folded:
            statements += statements_of(event, source, received_at) + surroundings_of(event, source, received_at)
        if statements:
            said.setdefault(one.profile_id, []).extend(statements)
    return said


def _link_statements(reported: StoredEvent, by_link: LinkStatement) -> list[AddressStatement]:
    return by_link.statements(reported.profile_id, _source(reported.event, by_link))


def _source(event: Event, by_link: LinkStatement | None) -> Source:
    source = event_source(event)
    return source if by_link is None else replace(source, kind="link", name="", proof=by_link.proof)
