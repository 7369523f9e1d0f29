"""The newest journey of a person in a campaign."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from msgspec import Struct

from store.database import Connection
from store.survey_answers import ANSWERS


class LatestJourney(Struct, frozen=True):
    """The data of a journey that its messages read."""

    entry: Mapping[str, Any]
    saved: Mapping[str, Any]
    answers: Mapping[str, Any]
    account_id: str | None


async def find(connection: Connection, profile_id: UUID, campaign: str) -> LatestJourney | None:
    """Return the newest journey of a person in a campaign, if there is one."""
    cursor = await connection.execute(
        f"""
        SELECT entry, saved, {ANSWERS} AS answers, account_id FROM journeys WHERE profile_id = %s AND campaign_key = %s
        ORDER BY entered_at DESC, id DESC LIMIT 1
        """,  # noqa: S608 -- a constant of the store
        (profile_id, campaign),
    )
    row = await cursor.fetchone()
    return LatestJourney(**row) if row else None
