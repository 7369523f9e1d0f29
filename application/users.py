"""Use cases of people: show one, and find them."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from application.catalogue import Catalogue
from application.person_views import PersonView, show_person
from domain.access import Actor
from domain.channels.kinds import normalize_address
from domain.errors import InvalidRequestError
from domain.people.identity import PersonRef
from store import audit, people
from store.database import Database
from store.people import ListedPerson, PersonFilter


@dataclass(frozen=True, slots=True)
class FoundPeople:
    """People, newest first; `next` continues, if there may be more."""

    people: list[ListedPerson]
    next: UUID | None


class Users:
    """Shows and finds people. `journey_url` contains {workflow_id}."""

    def __init__(self, database: Database, catalogue: Catalogue, journey_url: str) -> None:
        self._database = database
        self._catalogue = catalogue
        self._journey_url = journey_url

    async def get(self, person: PersonRef, *, by: Actor) -> PersonView:
        """Return a person; the audit log says who has looked. Raises NotFoundError."""
        async with self._database.transaction() as connection:
            view = await show_person(connection, self._catalogue, person, self._journey_url)
            await audit.record_look(connection, by, "user.read", person.id)
            return view

    async def find(
        self,
        *,
        id: str | None = None,
        address: str | None = None,
        trait: str | None = None,
        value: str | None = None,
        stage: str | None = None,
        segment: str | None = None,
        limit: int,
        after: UUID | None,
        by: Actor,
    ) -> FoundPeople:
        """Find people by all that is given. Raises InvalidRequestError for half a trait."""
        if (trait is None) != (value is None):
            raise InvalidRequestError("a trait is found by `trait`, its name, and `value`: one of them is missing")
        which = PersonFilter(
            id=id,
            addresses=None if address is None else normalize_address(address),
            trait=None if trait is None or value is None else (trait, readings(value)),
            stage=stage,
            segment=segment,
        )
        async with self._database.transaction() as connection:
            stages = (await self._catalogue.load_segments(connection)).stages
            found = await people.page(connection, which, stages, limit=limit, after=after)
            await audit.record_list(connection, by, "users")
        return FoundPeople(found.people, found.next)


def readings(value: str) -> list[Any]:
    """Return the JSON values that a text stands for: `5` is 5 and "5"."""
    found: list[Any] = [value]
    with suppress(msgspec.DecodeError, RecursionError):
        read = msgspec.json.decode(value)
        # PostgreSQL stores no number beyond its own range.
        if not isinstance(read, str) and read is not None:
            found.append(read)
    return found
