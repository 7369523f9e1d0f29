"""Find, lock and read people."""

from collections.abc import Collection
from uuid import UUID

from domain.errors import NotFoundError, UnavailableError
from domain.people.address_statements import with_refused
from domain.people.identity import PersonRef
from domain.people.profile import Profile
from store import addresses, profiles
from store.database import Connection


async def read_people(connection: Connection, ids: Collection[UUID]) -> dict[UUID, Profile]:
    """Read people with the refusals of their addresses, without locks."""
    people = await profiles.read(connection, ids)
    refused = await (await addresses.find_refused(connection, people, ())).get()
    return {id: with_refused(person, refused) for id, person in people.items()}


async def lock_person(connection: Connection, person: PersonRef) -> Profile:
    """Lock a person's profile, for new values.

    Raises NotFoundError, or UnavailableError during a merge.
    """
    profile_id = await profiles.find(connection, person)
    if profile_id is None:
        raise unknown_person(person)
    locked = await (await profiles.lock(connection, [profile_id], with_said=[profile_id])).get()
    if profile_id not in locked:
        raise UnavailableError(f"{person} is being merged into another profile; try again", retry_after=1)
    return locked[profile_id]


def unknown_person(person: PersonRef) -> NotFoundError:
    """Return the refusal of an id that no call has named."""
    return NotFoundError(f"nothing was ever reported of {person}", user_id=person.id)
