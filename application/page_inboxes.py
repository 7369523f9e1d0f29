"""The inboxes of the people that pages and apps name."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final
from uuid import UUID

from application.inbox import Inboxes, InboxView
from domain.people.identity import Identity
from domain.sending.inbox import InboxMessage, InboxState
from store import client_people
from store.database import Database

NO_PLACE: Final = 0


class PageInboxes:
    """Reads inboxes by user ids and anonymous ids.

    The person is looked up with each read: an anonymous id whose person has a user id by now names no person, and its
    answer is that of an unknown id.
    """

    def __init__(self, database: Database, inboxes: Inboxes) -> None:
        self._database = database
        self._inboxes = inboxes

    async def find_people(self, identities: Collection[Identity]) -> Mapping[Identity, UUID]:
        """Return the people that are known of these."""
        async with self._database.pipeline() as connection:
            return await client_people.find(connection, identities)

    async def find(self, identity: Identity) -> UUID | None:
        """Return the person of an id."""
        return (await self.find_people([identity])).get(identity)

    async def read(
        self,
        identity: Identity,
        *,
        placement: str | None = None,
        since: int = NO_PLACE,
        held: Collection[UUID] = frozenset(),
    ) -> InboxView:
        """Return the messages that are given after `since`, and give those that fit.

        None is given if one of `held`, which the page has, is withdrawn.
        """
        at = await self._database.now()
        return await self._inboxes.read(identity, at, placement=placement, since=since, held=held)

    async def load(self, messages: Sequence[InboxState]) -> list[InboxMessage]:
        """Return messages with their contents."""
        return await self._inboxes.load(messages)

    async def read_slots(self, identity: Identity, names: Collection[str]) -> Mapping[str, InboxMessage | None]:
        """Return the message of each slot; None where the page keeps its own content."""
        return await self._inboxes.read_slots(identity, names, await self._database.now())
