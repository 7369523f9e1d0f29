"""The origins of messages: campaign, step, journey and user."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from store.database import Connection

_MARKS: Final = ("delivered", "opened", "clicked", "replied", "dismissed", "bounced", "complained", "taken_back")


class MessageOrigin(Struct, frozen=True):
    """The origin of a message. `at` is by its journey's clock; `user` may be unknown.

    `marks` say what became of it, and when: `opened`, `taken back` and the like.
    """

    channel: str
    campaign: str
    version: int
    step: str
    template: str
    user: str | None
    journey_id: UUID
    workflow_id: str
    at: datetime
    provider: str | None = None
    marks: dict[str, datetime] = {}


async def find_origins(connection: Connection, message_ids: Collection[UUID]) -> dict[UUID, MessageOrigin]:
    """Return the origins of known messages, by id."""
    cursor = await connection.execute(
        """
        SELECT messages.id, channel, messages.campaign_key AS campaign, campaign_version AS version, messages.step,
               template, user_id AS user, journey_id, workflow_id, at, provider, delivered_at, opened_at, clicked_at,
               replied_at, dismissed_at, bounced_at, complained_at,
               CASE WHEN messages.state = 'cancelled' AND messages.reason = 'taken_back' THEN settled_at END
                 AS taken_back_at
        FROM messages
        JOIN journeys ON journeys.id = journey_id
        LEFT JOIN profiles ON profiles.id = messages.profile_id
        WHERE messages.id = ANY(%s)
        """,
        (list(message_ids),),
    )
    return {row.pop("id"): _read(row) async for row in cursor}


def _read(row: dict[str, Any]) -> MessageOrigin:
    marks = {mark.replace("_", " "): row.pop(f"{mark}_at") for mark in _MARKS}
    return MessageOrigin(**row, marks={mark: at for mark, at in marks.items() if at is not None})
