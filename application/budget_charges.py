"""Charge the budgets that concern granted messages."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.journey.sender_decisions import TAKEN, Taken
from domain.sending.budgets import BudgetCharge, BudgetFull, NamedBudget, list_personal, list_shared
from domain.sending.caps import find_budgets
from domain.sending.money import Money
from domain.sending.policy import Reservation
from domain.sending.routes import SenderChoice
from domain.sending.spending import Spending
from store import budgets, leases
from store.database import Connection


class ChargedPage(Struct, frozen=True):
    """The reservations of a page that the budgets have room for.

    `personal` are the budgets of people that have no room, by profile. `full` is the shared budget that has none for
    the last of the others; None if it has room for all.
    """

    reservations: tuple[Reservation, ...]
    personal: Mapping[UUID, BudgetFull] = {}
    full: BudgetFull | None = None


async def charge(
    connection: Connection, spending: Spending, sender: SenderChoice, profile_id: UUID, message_id: UUID
) -> Taken | BudgetFull:
    """Charge one message; nothing is taken if one of its budgets has no room."""
    if (full := await _find_full_personal(connection, spending, sender, profile_id)) is not None:
        return full
    taken: list[BudgetCharge] = []
    for one in list_shared(spending.budgets_for(sender)):
        wanted, cost = _charge_of(spending, one, sender), sender.micros
        if not await leases.take(connection, wanted.budget, wanted.key, cost, one.budget.micros, message_id.int):
            if taken:
                await budgets.give_back(connection, taken)
            return spending.full(one, sender)
        taken.append(wanted)
    return Taken(tuple(taken))


async def look_for_room(
    connection: Connection, spending: Spending, sender: SenderChoice, profile_id: UUID
) -> Taken | BudgetFull:
    """Answer as `charge` would now, and take nothing."""
    if (full := await _find_full_personal(connection, spending, sender, profile_id)) is not None:
        return full
    for one in list_shared(spending.budgets_for(sender)):
        wanted = _charge_of(spending, one, sender)
        if not await leases.has_room(connection, wanted.budget, wanted.key, wanted.micros, one.budget.micros):
            return spending.full(one, sender)
    return TAKEN


async def _find_full_personal(
    connection: Connection, spending: Spending, sender: SenderChoice, profile_id: UUID
) -> BudgetFull | None:
    """Return a budget of the person that has no room."""
    for one in list_personal(spending.budgets_for(sender)):
        spent = await budgets.spent_on(connection, [profile_id], one.budget.currency, one.channels)
        if spent.get(profile_id, 0) + sender.micros > one.budget.micros:
            return spending.full(one, sender)
    return None


def _charge_of(spending: Spending, one: NamedBudget, sender: SenderChoice) -> BudgetCharge:
    return BudgetCharge(one.name, one.key(spending.campaign, spending.day), sender.micros)


async def charge_page(connection: Connection, spending: Spending, reservations: Sequence[Reservation]) -> ChargedPage:
    """Charge the messages of a page.

    A person without room costs only their own message; of a shared budget, the first ones have room.
    """
    left, full = list(reservations), None
    personal: dict[UUID, BudgetFull] = {}
    currencies = sorted({one.currency for one in reservations if one.currency is not None})
    concerned = [one for each in currencies for one in find_budgets(spending.rules, spending.step, each)]
    for one in list_personal(concerned):
        people = [each.profile_id for each in left]
        spent = await budgets.spent_on(connection, people, one.budget.currency, one.channels)
        personal |= {
            each.profile_id: _full(spending, one, each)
            for each in left
            if spent.get(each.profile_id, 0) + _cost(each, one) > one.budget.micros
        }
        left = [each for each in left if each.profile_id not in personal]
    taken: list[tuple[NamedBudget, str]] = []
    for one in list_shared(concerned):
        key = one.key(spending.campaign, spending.day)
        costs = [_cost(each, one) for each in left]
        room = await leases.take_many(connection, one.name, key, one.budget.micros, costs)
        if room < len(left):
            full = _full(spending, one, left[room])
            dropped = [charge for each in left[room:] for charge in _charges(each, taken)]
            left = left[:room]
            if dropped:
                await budgets.give_back(connection, dropped)
        taken.append((one, key))
    charged = tuple(replace(each, charges=_charges(each, taken) or None) for each in left)
    return ChargedPage(charged, personal, full)


def _charges(reservation: Reservation, taken: Sequence[tuple[NamedBudget, str]]) -> tuple[BudgetCharge, ...]:
    costs = ((one, key, _cost(reservation, one)) for one, key in taken)
    return tuple(BudgetCharge(one.name, key, cost) for one, key, cost in costs if cost)


def _cost(reservation: Reservation, one: NamedBudget) -> int:
    """Return what a message takes from a budget: nothing in another currency."""
    return reservation.cost or 0 if reservation.currency == one.budget.currency else 0


def _full(spending: Spending, one: NamedBudget, reservation: Reservation) -> BudgetFull:
    cost = Money(reservation.cost or 0, one.budget.currency)
    ends_at = one.ends_at(spending.at, spending.zone)
    return BudgetFull(one.name, one.budget, cost, reservation.provider or "", ends_at)
