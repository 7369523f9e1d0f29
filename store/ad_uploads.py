"""Flushes of audiences: what is due, what the platform has, and its answers."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from msgspec import Struct
from psycopg.types.json import Jsonb

from domain.ad_audiences.membership import ADS
from domain.ad_audiences.uploads import UploadAction, UploadState
from store.ad_audiences import AUDIENCE_COLUMNS, StoredAudience
from store.database import Connection
from store.transaction_metrics import Metric

# How long requests are shown.
LIFETIME: Final = timedelta(days=30)
# A worker that flushes longer than this has died: a request takes half a minute at most, and a flush has a few.
LEASE: Final = timedelta(minutes=5)

# The results that one flush asks for.
QUESTIONS: Final = 4

# Leftovers that may be removed: the platform has worked on the additions before them.
_RIPE: Final = """
(after_upload IS NULL OR NOT EXISTS (
   SELECT FROM ad_audience_uploads AS upload
   WHERE upload.audience_id = leftover.audience_id AND upload.id <= after_upload AND action = 'add'
     AND state = 'processing'))
"""
_WORK: Final = f"""
(EXISTS (SELECT FROM ad_audience_members WHERE audience_id = audience.id AND due_at IS NOT NULL)
 OR EXISTS (SELECT FROM ad_audience_leftovers AS leftover WHERE audience_id = audience.id AND {_RIPE})
 OR EXISTS (SELECT FROM ad_audience_uploads WHERE audience_id = audience.id AND state = 'processing'))
"""  # noqa: S608 -- a constant above


class DueMember(Struct, frozen=True):
    """A member to be flushed: wanted, or with what the platform has of them."""

    profile_id: UUID
    is_wanted: bool
    version: int
    held: list[str]
    addresses: dict[str, str]
    user_id: str | None


class Leftover(Struct, frozen=True):
    """Hashes that the platform has of someone who has no row any more.

    With `is_repeated` they were removed before, while the platform worked on additions.
    """

    id: int
    held: list[str]
    is_repeated: bool


class SettledMember(Struct, frozen=True):
    """A member after an accepted request: what the platform has, or why it refused."""

    profile_id: UUID
    version: int
    held: list[str]
    failure: str | None = None


class UploadRow(Struct, frozen=True):
    """A request to the platform."""

    id: int
    action: UploadAction
    people: int
    invalid: int
    state: UploadState
    request_id: str | None
    detail: str
    at: datetime


class LeasedAudience(StoredAudience, frozen=True):
    """An audience that one flush has until an instant, which no other lease has."""

    leased_until: datetime


async def take(connection: Connection, now: datetime) -> LeasedAudience | None:
    """Lease the audience whose flush is due first; None if none has anything to do."""
    cursor = await connection.execute(
        f"""
        WITH taken AS (
          SELECT id FROM ad_audiences AS audience
          WHERE flush_at <= %(now)s AND (leased_until IS NULL OR leased_until <= %(now)s) AND {_WORK}
          ORDER BY flush_at LIMIT 1 FOR UPDATE SKIP LOCKED
        )
        UPDATE ad_audiences AS audience SET leased_until = %(until)s FROM taken WHERE audience.id = taken.id
        RETURNING {AUDIENCE_COLUMNS}, audience.leased_until
        """,  # noqa: S608 -- constants
        {"now": now, "until": now + LEASE},
    )
    row = await cursor.fetchone()
    return LeasedAudience(**row) if row else None


async def lock_lease(connection: Connection, audience: LeasedAudience) -> bool:
    """Lock an audience until the commit; False if another flush has taken it since."""
    cursor = await connection.execute(
        "SELECT FROM ad_audiences WHERE id = %s AND leased_until = %s FOR NO KEY UPDATE",
        (audience.id, audience.leased_until),
    )
    return cursor.rowcount == 1


async def find_next(connection: Connection) -> datetime | None:
    """Return when the next flush is due; None if no audience has anything to do."""
    cursor = await connection.execute(
        f"""
        SELECT min(greatest(flush_at, COALESCE(leased_until, flush_at))) AS at FROM ad_audiences AS audience
        WHERE {_WORK}
        """  # noqa: S608 -- a constant above
    )
    [row] = await cursor.fetchall()
    at: datetime | None = row["at"]
    return at


async def lock_due(connection: Connection, audience_id: int, limit: int) -> list[DueMember]:
    """Lock members that are due, the first of them.

    A wanted person who has just refused is left to the next judgement.
    """
    cursor = await connection.execute(
        """
        SELECT member.profile_id, reason IS NULL AS is_wanted, version, held,
               COALESCE(profiles.addresses, '{}') AS addresses, profiles.user_id
        FROM ad_audience_members AS member LEFT JOIN profiles ON profiles.id = member.profile_id
        WHERE audience_id = %s AND due_at IS NOT NULL AND (reason IS NOT NULL OR profiles.consent @> %s)
        ORDER BY due_at LIMIT %s FOR UPDATE OF member SKIP LOCKED
        """,
        (audience_id, Jsonb({ADS: True}), limit),
    )
    return [DueMember(**row) async for row in cursor]


async def find_leftovers(connection: Connection, audience_id: int, limit: int) -> list[Leftover]:
    """Return what is left at the platform of people without a row."""
    cursor = await connection.execute(
        f"""
        SELECT id, held, after_upload IS NOT NULL AS is_repeated FROM ad_audience_leftovers AS leftover
        WHERE audience_id = %s AND {_RIPE} ORDER BY id LIMIT %s
        """,  # noqa: S608 -- a constant above
        (audience_id, limit),
    )
    return [Leftover(**row) async for row in cursor]


async def find_shared(
    connection: Connection, audience_id: int, held: Collection[str], but: Collection[UUID]
) -> set[str]:
    """Return those of these hashes by which the platform has other wanted people."""
    cursor = await connection.execute(
        """
        SELECT DISTINCT hash FROM ad_audience_members CROSS JOIN LATERAL unnest(held) AS hash
        WHERE audience_id = %(audience_id)s AND reason IS NULL AND held && %(held)s::text[] AND hash = ANY(%(held)s)
          AND profile_id <> ALL(%(but)s)
        """,
        {"audience_id": audience_id, "held": list(held), "but": list(but)},
    )
    return {row["hash"] async for row in cursor}


async def hold(connection: Connection, audience_id: int, added: Mapping[UUID, Collection[str]]) -> None:
    """Record what the platform may have from now on, before it is asked to take it."""
    items = [{"profile_id": id, "added": sorted(hashes)} for id, hashes in added.items()]
    await connection.execute(
        """
        UPDATE ad_audience_members AS member
        SET held = ARRAY(SELECT unnest(held) UNION SELECT jsonb_array_elements_text(item.added))
        FROM jsonb_to_recordset(%s) AS item (profile_id uuid, added jsonb)
        WHERE audience_id = %s AND member.profile_id = item.profile_id
        """,
        (Jsonb(items), audience_id),
    )


async def settle(
    connection: Connection, audience_id: int, members: Sequence[SettledMember], leftovers: Collection[int]
) -> None:
    """Record accepted requests. Members who have changed meanwhile stay due."""
    await connection.execute(
        """
        WITH settled AS (
          SELECT member.profile_id FROM ad_audience_members AS member
          JOIN jsonb_to_recordset(%(items)s) AS item (profile_id uuid, version bigint) USING (profile_id, version)
          WHERE audience_id = %(audience_id)s ORDER BY profile_id FOR UPDATE OF member
        )
        UPDATE ad_audience_members AS member
        SET held = ARRAY(SELECT jsonb_array_elements_text(item.held)), failure = item.failure, due_at = NULL
        FROM settled JOIN jsonb_to_recordset(%(items)s) AS item (profile_id uuid, held jsonb, failure text)
          USING (profile_id)
        WHERE audience_id = %(audience_id)s AND member.profile_id = settled.profile_id
        """,
        {"items": Jsonb(list(members)), "audience_id": audience_id},
    )
    await connection.execute(
        """
        DELETE FROM ad_audience_members AS member USING ad_audiences AS audience
        WHERE audience.id = audience_id AND audience_id = %s AND profile_id = ANY(%s) AND held = '{}'
          AND (reason IN ('removed', 'exited', 'left', 'retired') OR reason = 'no_consent' AND mirror IS NULL)
        """,
        (audience_id, [member.profile_id for member in members]),
    )
    await connection.execute("DELETE FROM ad_audience_leftovers WHERE id = ANY(%s)", (list(leftovers),))


async def keep_removed(connection: Connection, audience_id: int, removed: Sequence[Collection[str]]) -> None:
    """Remove people once more after the additions on which the platform still works.

    It may take these in another order.
    """
    await connection.execute(
        """
        INSERT INTO ad_audience_leftovers (audience_id, held, after_upload)
        SELECT %(audience_id)s, ARRAY(SELECT jsonb_array_elements_text(held)), open.last
        FROM jsonb_array_elements(%(removed)s) AS held
        CROSS JOIN (SELECT max(id) AS last FROM ad_audience_uploads
                    WHERE audience_id = %(audience_id)s AND action = 'add' AND state = 'processing') AS open
        WHERE open.last IS NOT NULL
        """,
        {"audience_id": audience_id, "removed": Jsonb([sorted(one) for one in removed])},
    )


async def record(
    connection: Connection,
    audience_id: int,
    action: UploadAction,
    people: int,
    invalid: int,
    state: UploadState,
    request_id: str | None,
    detail: str,
) -> None:
    """Record a request to the platform."""
    await connection.execute(
        """
        INSERT INTO ad_audience_uploads (audience_id, action, people, invalid, state, request_id, detail)
        VALUES (%s, %s, %s, %s, %s, %s, %s)
        """,
        (audience_id, action, people, invalid, state, request_id, detail),
    )


async def find_processing(connection: Connection, audience_id: int, asked_before: datetime) -> list[UploadRow]:
    """Return some accepted requests of which the platform was not asked since."""
    cursor = await connection.execute(
        """
        SELECT id, action, people, invalid, state, request_id, detail, at FROM ad_audience_uploads
        WHERE audience_id = %s AND state = 'processing' AND COALESCE(asked_at, at) <= %s ORDER BY id LIMIT %s
        """,
        (audience_id, asked_before, QUESTIONS),
    )
    return [UploadRow(**row) async for row in cursor]


async def write_progress(
    connection: Connection, id: int, state: UploadState, invalid: int, detail: str, asked_at: datetime
) -> None:
    """Record what the platform said of a request."""
    await connection.execute(
        "UPDATE ad_audience_uploads SET state = %s, invalid = %s, detail = %s, asked_at = %s WHERE id = %s",
        (state, invalid, detail, asked_at, id),
    )


async def finish(
    connection: Connection, audience: LeasedAudience, flush_at: datetime, now: datetime, failure: str | None
) -> None:
    """End the lease of an audience, unless another flush has it.

    Its next flush is at `flush_at`.
    """
    await connection.execute(
        """
        UPDATE ad_audiences
        SET leased_until = NULL, flush_at = %(flush_at)s, failure = %(failure)s,
            failed_at = CASE WHEN %(failure)s::text IS NOT NULL THEN %(now)s ELSE failed_at END,
            flushed_at = CASE WHEN %(failure)s::text IS NULL THEN %(now)s ELSE flushed_at END
        WHERE id = %(id)s AND leased_until = %(leased_until)s
        """,
        {
            "id": audience.id,
            "leased_until": audience.leased_until,
            "flush_at": flush_at,
            "now": now,
            "failure": failure,
        },
    )
    connection.metrics.add(Metric.AD_FLUSH, audience.provider, "done" if failure is None else "failed")


class AudienceNumbers(Struct, frozen=True):
    """The people of an audience.

    `wanted` are to be in it, `sent` the platform has, `pending` wait to be added or removed, and the platform has
    refused `failed`. `without_address` would be wanted.
    """

    wanted: int = 0
    sent: int = 0
    pending: int = 0
    failed: int = 0
    without_address: int = 0


async def count(connection: Connection) -> dict[int, AudienceNumbers]:
    """Count the people of all audiences in force."""
    cursor = await connection.execute(
        """
        SELECT audience_id, count(*) FILTER (WHERE reason IS NULL) AS wanted,
               count(*) FILTER (WHERE reason IS NULL AND due_at IS NULL AND failure IS NULL) AS sent,
               count(*) FILTER (WHERE due_at IS NOT NULL) AS pending,
               count(*) FILTER (WHERE reason IS NULL AND failure IS NOT NULL) AS failed,
               count(*) FILTER (WHERE reason = 'no_address') AS without_address
        FROM ad_audience_members GROUP BY audience_id
        """
    )
    return {id: AudienceNumbers(**row) async for row in cursor for id in (row.pop("audience_id"),)}


async def latest(connection: Connection, audience_id: int, limit: int) -> list[UploadRow]:
    """Return the last requests of an audience, the newest first."""
    cursor = await connection.execute(
        """
        SELECT id, action, people, invalid, state, request_id, detail, at FROM ad_audience_uploads
        WHERE audience_id = %s ORDER BY at DESC, id DESC LIMIT %s
        """,
        (audience_id, limit),
    )
    return [UploadRow(**row) async for row in cursor]


async def forget(connection: Connection) -> None:
    """Delete requests of some weeks ago."""
    await connection.execute(
        "DELETE FROM ad_audience_uploads WHERE at < clock_timestamp() + clock_ahead() - %s", (LIFETIME,)
    )
