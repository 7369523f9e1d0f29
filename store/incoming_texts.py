"""The people who have written incoming text messages."""

from uuid import UUID

from msgspec import Struct

from store.database import Connection


class TextAuthor(Struct, frozen=True):
    """A person with the number of a text, their language, and the last message to it."""

    profile_id: UUID
    user_id: str | None
    anonymous_id: str | None
    message_id: UUID | None
    locale: str | None


async def find_author(connection: Connection, provider: str, channel: str, number: str) -> TextAuthor | None:
    """Return the person who has a number: of several, the one last written to.

    The messages are those of the provider. Without any, it is the one whose profile changed last.
    """
    cursor = await connection.execute(
        """
        SELECT profiles.id AS profile_id, user_id, answered.id AS message_id,
               COALESCE(NULLIF(traits ->> 'locale', ''), context ->> 'locale') AS locale,
               (SELECT min(value) FROM identities
                WHERE identities.profile_id = profiles.id AND kind = 'anonymous' AND user_id IS NULL) AS anonymous_id
        FROM profiles
        LEFT JOIN LATERAL (
          SELECT id, first_handed_over_at FROM messages
          WHERE messages.profile_id = profiles.id AND channel = %(channel)s AND address = %(number)s
            AND provider = %(provider)s AND first_handed_over_at IS NOT NULL
          ORDER BY first_handed_over_at DESC, id DESC LIMIT 1
        ) AS answered ON true
        WHERE profiles.addresses @> jsonb_build_object(%(channel)s::text, %(number)s::text)
        ORDER BY answered.first_handed_over_at DESC NULLS LAST, profiles.updated_at DESC, profiles.id LIMIT 1
        """,
        {"provider": provider, "channel": channel, "number": number},
    )
    row = await cursor.fetchone()
    return None if row is None else TextAuthor(**row)
