"""Locks of all identities of users, and retries while events change them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar
from uuid import UUID

from psycopg.errors import DeadlockDetected

from application.people import unknown_person
from domain.errors import UnavailableError
from domain.people.identity import Identity, PersonRef
from store import campaigns, merges
from store.database import Connection

# Events that link ids take turns with a merge or an erasure.
ATTEMPTS = 12

T = TypeVar("T")


class IdentityMovedError(Exception):
    """Another transaction, or this one, changes the people of these identities."""


async def retry_moved(act: Callable[[], Awaitable[T]], detail: str) -> T:
    """Repeat a transaction while events change the identities that it locks.

    Raises UnavailableError with `detail` after ATTEMPTS.
    """
    for _ in range(ATTEMPTS):
        try:
            return await act()
        except (IdentityMovedError, DeadlockDetected):
            continue
    raise UnavailableError(detail, retry_after=1)


async def lock_users(connection: Connection, user_ids: Sequence[str]) -> Mapping[Identity, UUID]:
    """Lock the campaigns, then all identities of users. Raises IdentityMovedError."""
    await campaigns.lock_registry_shared(connection)
    found = await merges.lock_users(connection, user_ids)
    if found is None:
        raise IdentityMovedError
    return found


def find_profile(found: Mapping[Identity, UUID], user_id: str) -> UUID:
    """Return the profile of a locked user. Raises NotFoundError."""
    profile_id = found.get(Identity("user", user_id))
    if profile_id is None:
        raise unknown_person(PersonRef(user_id, "user"))
    return profile_id
