"""Tracked links: where those of each message lead, and who has followed them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct, to_builtins
from psycopg.types.json import Jsonb

from domain.sending.ledger_marks import HeldClick
from domain.sending.tracking.verdicts import VERDICT_AFTER, Client, Hit
from store.database import Connection

# The hits of a message that are kept: its links can be followed without end.
MAX_HITS = 200
# One worker at a time judges. A key of two parts.
_LOCK = (7_340_121, 1)
# The delivery, or the hand-over. An attempt lasts less than a minute: one that settles later was lost, and perhaps a
# click itself has shown that the provider has the message.
_SENT_AT = "COALESCE(delivered_at, least(settled_at, claimed_at + interval '1 min'))"


class LinkTarget(Struct, frozen=True):
    """The target of a link; None for those that no person clicks, such as the image."""

    url: str | None


class DueHit(Struct, frozen=True):
    """A hit whose verdict is due, with what the ledger knows of its message.

    `sent_at` is the delivery, or the hand-over where no delivery is reported. Without a provider there is nothing to
    report.
    """

    hit: Hit
    message_id: UUID
    provider: str | None
    link: str | None
    sent_at: datetime | None


async def keep(connection: Connection, message_id: UUID, targets: Sequence[str]) -> None:
    """Keep the targets of a message's links, in the order of their numbers."""
    await connection.execute(
        """
        INSERT INTO tracked_links (message_id, targets) VALUES (%s, %s)
        ON CONFLICT (message_id) DO UPDATE SET targets = excluded.targets
        """,
        (message_id, list(targets)),
    )


async def find_targets(connection: Connection, message_id: UUID) -> list[str]:
    """Return the targets of a message's links; none before its first attempt."""
    cursor = await connection.execute("SELECT targets FROM tracked_links WHERE message_id = %s", (message_id,))
    row = await cursor.fetchone()
    return row["targets"] if row else []


async def record_hit(
    connection: Connection, message_id: UUID, number: int, client: Client, *, is_head: bool, is_confirmed: bool
) -> LinkTarget | None:
    """Record that a client has asked for a link; None if its message is not known.

    A confirmed hit is due at once, any other once the client had time to show what it is. The lock makes a claim that
    follows the message wait, or see the hit.
    """
    cursor = await connection.execute(
        """
        WITH link AS (
          SELECT message_id, targets FROM tracked_links JOIN messages ON messages.id = message_id
          WHERE message_id = %(id)s FOR SHARE OF messages
        ), hit AS (
          INSERT INTO link_hits (message_id, number, client, is_head, is_confirmed, due_at)
          SELECT message_id, %(number)s, %(client)s, %(is_head)s, %(is_confirmed)s,
                 clock_timestamp() + clock_ahead() + CASE WHEN %(is_confirmed)s THEN interval '0' ELSE %(rest)s END
          FROM link
          WHERE (SELECT count(*) FROM (SELECT FROM link_hits WHERE message_id = %(id)s LIMIT %(most)s) AS one)
                < %(most)s
        )
        SELECT targets[%(number)s + 1] AS url FROM link
        """,
        {
            "id": message_id,
            "number": number,
            "client": client,
            "is_head": is_head,
            "is_confirmed": is_confirmed,
            "rest": VERDICT_AFTER,
            "most": MAX_HITS,
        },
    )
    row = await cursor.fetchone()
    return None if row is None else LinkTarget(row["url"])


async def hold(connection: Connection, clicks: Sequence[HeldClick]) -> None:
    """Record clicks that a provider has reported, until their verdicts.

    Requires the locked messages, if they exist.
    """
    await connection.execute(
        """
        WITH click AS (
          SELECT click.* FROM jsonb_to_recordset(%(clicks)s)
            AS click (message_id uuid, at timestamptz, link text, is_machine boolean)
          JOIN messages ON messages.id = message_id
        ), tracked AS (
          INSERT INTO tracked_links (message_id, targets) SELECT DISTINCT message_id, '{}'::text[] FROM click
          ON CONFLICT DO NOTHING
        )
        INSERT INTO link_hits (message_id, at, link, client, is_head, is_confirmed, due_at)
        SELECT message_id, at, link, CASE WHEN is_machine THEN 'machine' ELSE 'browser' END, false, false,
               clock_timestamp() + clock_ahead() + %(rest)s
        FROM click
        WHERE (SELECT count(*) FROM (
                 SELECT FROM link_hits AS known WHERE known.message_id = click.message_id LIMIT %(most)s) AS one)
              < %(most)s
        """,
        {"clicks": Jsonb([to_builtins(one) for one in clicks]), "rest": VERDICT_AFTER, "most": MAX_HITS},
    )


async def lock(connection: Connection) -> bool:
    """Return whether this transaction is the one that judges."""
    cursor = await connection.execute("SELECT pg_try_advisory_xact_lock(%s, %s) AS is_locked", _LOCK)
    row = await cursor.fetchone()
    return bool(row and row["is_locked"])


async def next_due(connection: Connection) -> datetime | None:
    """Return when the next verdict is due; None if no hit waits for one."""
    cursor = await connection.execute("SELECT min(due_at) AS due_at FROM link_hits WHERE is_person IS NULL")
    row = await cursor.fetchone()
    return row["due_at"] if row else None


async def find_due(connection: Connection, now: datetime, limit: int) -> list[DueHit]:
    """Return hits that are due, and then the other hits of their messages.

    Only the former are without a verdict and due; the latter show what else the client did.
    """
    cursor = await connection.execute(
        f"""
        WITH due AS (
          SELECT message_id FROM link_hits WHERE is_person IS NULL AND due_at <= %s ORDER BY due_at LIMIT %s
        )
        SELECT hits.id, hits.at, number, client, is_head, link AS reported_link, message_id, provider,
               COALESCE(link, targets[number + 1]) AS link, {_SENT_AT} AS sent_at
        FROM link_hits AS hits JOIN tracked_links USING (message_id) JOIN messages ON messages.id = message_id
        WHERE message_id IN (SELECT message_id FROM due)
        ORDER BY message_id, hits.id
        """,  # noqa: S608 -- a constant of this module
        (now, limit),
    )
    return [
        DueHit(
            Hit(row["id"], row["at"], row["number"], row["client"], row["is_head"], row["reported_link"]),
            row["message_id"],
            row["provider"],
            row["link"],
            row["sent_at"],
        )
        async for row in cursor
    ]


async def select_open(connection: Connection, ids: Collection[int], now: datetime) -> set[int]:
    """Return those hits that are due and without a verdict."""
    cursor = await connection.execute(
        "SELECT id FROM link_hits WHERE id = ANY(%s) AND is_person IS NULL AND due_at <= %s", (list(ids), now)
    )
    return {row["id"] async for row in cursor}


async def write_verdicts(connection: Connection, verdicts: Mapping[int, bool]) -> None:
    """Write whether each hit is a person's."""
    await connection.execute(
        """
        UPDATE link_hits SET is_person = item.is_person
        FROM jsonb_to_recordset(%s) AS item (id bigint, is_person boolean) WHERE link_hits.id = item.id
        """,
        (Jsonb([{"id": id, "is_person": is_person} for id, is_person in verdicts.items()]),),
    )
