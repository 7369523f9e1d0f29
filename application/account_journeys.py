"""Hand journeys of accounts over when their person leaves or is erased."""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from application.routing import exit_message
from domain.access import Actor
from domain.journey.records import Ending
from domain.journey.state import EXITED
from domain.people.erasure import ERASED
from store import account_journeys, accounts, journeys, outbox
from store.accounts import MemberKey
from store.database import Connection

# The outcome of the journey of an account without members.
ACCOUNT_EMPTY: Final = "account_empty"


async def lock_accounts_of(connection: Connection, profile_ids: Collection[UUID]) -> set[str]:
    """Lock the accounts of locked people, before any journey; return their ids."""
    ids = await account_journeys.find_accounts(connection, profile_ids)
    if ids:
        await (await accounts.lock(connection, ids)).get()
    return ids


async def hand_over(connection: Connection, left: Collection[MemberKey]) -> list[UUID]:
    """Hand over the journeys of people who have left their accounts.

    The member longest known to Sojourn has them next. The journey of an account without members ends; returns those.
    """
    if not left:
        return []
    found = await account_journeys.hand_over(connection, left)
    at = connection.clock.now()
    empty = [one for one in found if one.heir is None]
    if empty:
        await journeys.end(connection, [Ending(one.id, EXITED, ACCOUNT_EMPTY, None, at) for one in empty])
        await outbox.append(connection, [exit_message(one.workflow_id, ACCOUNT_EMPTY) for one in empty])
    return [one.id for one in empty]


async def hand_over_of_strangers(connection: Connection, profile_ids: Collection[UUID]) -> list[UUID]:
    """Hand over the journeys of people in accounts without their membership.

    A merge, or its undo, may have ended their membership. Returns the journeys that ended.
    """
    return await hand_over(connection, await account_journeys.find_strangers(connection, profile_ids))


async def hand_over_of_erased(
    connection: Connection, profile_id: UUID, account_ids: Collection[str], values: Collection[str], by: Actor
) -> None:
    """Hand over the account journeys of a person who is being erased.

    They keep nothing that the person has said. The caller has locked the accounts and the journeys. A journey under a
    key, which the person may have chosen, ends if they began it.
    """
    await accounts.delete_members_of(connection, [profile_id])
    found = await account_journeys.find_of_erased(connection, profile_id, account_ids, values)
    if not found:
        return
    at = connection.clock.now()
    over = [one for one in found if one.is_active and (one.heir is None or (one.began and one.is_keyed))]
    if over:
        await journeys.end(connection, [Ending(one.id, EXITED, ERASED, by.name, at) for one in over])
        await outbox.append(connection, [exit_message(one.workflow_id, ERASED) for one in over])
        found = await account_journeys.find_of_erased(connection, profile_id, account_ids, values)
    await account_journeys.part_from(connection, profile_id, found)
