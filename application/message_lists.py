"""Messages in lists, the latest first."""

from application.people import unknown_person
from domain.access import Actor
from domain.people.identity import PersonRef
from store import audit, message_lists, profiles
from store.daily_counts import MessageFilter
from store.database import Database
from store.message_lists import ListedMessage, MessagePosition


class MessageLists:
    """Lists the messages of the ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self, which: MessageFilter, *, user: str | None, limit: int, after: MessagePosition | None, by: Actor
    ) -> list[ListedMessage]:
        """Return messages of a filter, or those before one, of all people or one.

        The audit log says who has looked. Raises NotFoundError for an unknown user.
        """
        async with self._database.transaction() as connection:
            if user is None:
                found = await message_lists.page(connection, which, limit=limit, after=after)
            else:
                person = PersonRef(user)
                profile_id = await profiles.find(connection, person)
                if profile_id is None:
                    raise unknown_person(person)
                found = await message_lists.page_of_person(connection, profile_id, which, limit=limit, after=after)
            await audit.record_list(connection, by, "messages", user)
            return found
