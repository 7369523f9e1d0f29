"""The history of profiles: each change with its time and source; append-only."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg.types.json import Jsonb

from store.database import Connection


class ProfileChange(Struct, frozen=True):
    """The changes of one source in one part of a profile.

    `part` is traits, consent, suppressed, addresses, context (zone and language of the device), stage or identity.
    `changes` maps a name to its value before and after; for an identity, what was linked or merged. `at` is the time
    that the source states.
    """

    id: UUID
    profile_id: UUID
    part: str
    changes: dict[str, Any]
    source: str
    source_id: str
    at: datetime


async def insert(connection: Connection, changes: Sequence[ProfileChange]) -> None:
    """Record changes in order."""
    await connection.execute(
        """
        INSERT INTO profile_changes (id, profile_id, part, changes, source, source_id, at)
        SELECT id, profile_id, part, changes, source, source_id, at
        FROM ROWS FROM (jsonb_to_recordset(%s) AS (
          id uuid, profile_id uuid, part text, changes jsonb, source text, source_id text, at timestamptz))
          WITH ORDINALITY AS item (id, profile_id, part, changes, source, source_id, at, position)
        ORDER BY position
        """,
        (Jsonb(changes),),
    )
