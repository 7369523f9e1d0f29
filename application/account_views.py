"""Accounts as they are shown: traits with their sources, and members in pages."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.stated_values import StatedValue, list_stated
from domain.access import Actor
from domain.errors import NotFoundError
from store import accounts, audit
from store.accounts import StoredMember
from store.database import Connection, Database


@dataclass(frozen=True, slots=True)
class AccountDetails:
    """An account with its traits, and the number of its members."""

    id: str
    traits: dict[str, StatedValue]
    members: int
    created_at: datetime
    updated_at: datetime


class Accounts:
    """Shows accounts; the audit log says who has looked at which, once a day."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, account_id: str, *, by: Actor) -> AccountDetails:
        """Return an account. Raises NotFoundError."""
        async with self._database.transaction() as connection:
            details = await _find(connection, account_id)
            await audit.record_look(connection, by, "account.read", account_id)
            return details

    async def members(
        self, account_id: str, *, role: str | None, limit: int, after: UUID | None, by: Actor
    ) -> list[StoredMember]:
        """Return members in the order of their profiles, after one. Raises NotFoundError."""
        async with self._database.transaction() as connection:
            await _find(connection, account_id)
            found = await accounts.page_of_members(connection, account_id, role=role, limit=limit, after=after)
            await audit.record_look(connection, by, "account.read", account_id)
            return found


async def _find(connection: Connection, account_id: str) -> AccountDetails:
    found = await accounts.find(connection, account_id)
    if found is None:
        raise NotFoundError(f"no call has named the account {account_id}", account_id=account_id)
    return AccountDetails(found.id, list_stated(found.traits), found.members, found.created_at, found.updated_at)
