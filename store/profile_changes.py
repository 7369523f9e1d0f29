"""The history of profiles: each change with its time and source; append-only."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg.types.json import Jsonb

from domain.people.profile_state import Proof
from store.database import Connection


class ProfileChange(Struct, frozen=True):
    """The changes of one source in one part of a profile.

    `part` is traits, consent, preferences, suppressed, addresses, context (zone and language of the device), stage or
    identity. `changes` maps a name to its value before and after; for an identity, what was linked or merged. `at` is
    the time that the source states; `source_name` is that of the event's source, of the operator, or of the campaign
    and step. `proof` says how a consent was given; its address is stored as a keyed hash alone.
    """

    id: UUID
    profile_id: UUID
    part: str
    changes: dict[str, Any]
    source: str
    source_id: str
    source_name: str
    at: datetime
    proof: Proof | None = None


async def insert(connection: Connection, changes: Sequence[ProfileChange]) -> None:
    """Record changes in order."""
    await connection.execute(
        """
        INSERT INTO profile_changes (id, profile_id, part, changes, source, source_id, source_name, at, proof)
        SELECT id, profile_id, part, changes, source, source_id, source_name, at,
               CASE WHEN proof ? 'ip'
                    THEN proof || jsonb_build_object('ip', encode(keyed_hash('ip', proof ->> 'ip'), 'hex'))
                    ELSE NULLIF(proof, 'null') END
        FROM ROWS FROM (jsonb_to_recordset(%s) AS (
          id uuid, profile_id uuid, part text, changes jsonb, source text, source_id text, source_name text,
          at timestamptz, proof jsonb))
          WITH ORDINALITY AS item (id, profile_id, part, changes, source, source_id, source_name, at, proof, position)
        ORDER BY position
        """,
        (Jsonb(changes),),
    )
