"""Numbers of messages by provider, recipient domain and hour of sending.

The statements that settle messages and mark them as reported append what they have changed, so that no transaction
waits for another's counter. A sweeper adds these rows up. Every sum reads both in one snapshot, and is exact.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct
from msgspec.structs import fields

from domain.sending.deliverability import WINDOWS, DeliveryCounts
from domain.sending.mailbox_domains import MAILBOX_DOMAINS, OTHER_DOMAINS
from store.database import Connection

OUTCOMES: Final = tuple(field.name for field in fields(DeliveryCounts))
LIFETIME: Final = timedelta(days=35)
# Rows that are added up at once.
PAGE: Final = 10_000
# One worker at a time adds up. A key of two parts.
_LOCK: Final = (7_340_121, 2)

_KNOWN = ", ".join(f"'{name}'" for name in MAILBOX_DOMAINS)
# The recipient domain of a message, of a bounded number: an expression for rows with its channel and address.
DOMAIN: Final = f"""
CASE WHEN channel <> 'email' THEN '' WHEN split_part(address, '@', 2) IN ({_KNOWN}) THEN split_part(address, '@', 2)
     ELSE '{OTHER_DOMAINS}' END
"""
# When a message was sent, in whose hour all that becomes of it counts, so that a rate is of the same messages above and
# below; by the journey's clock where that is ahead. An expression for rows of messages.
SENT_AT: Final = "greatest(settled_at, at)"
# Its hour; after a pause that ended in it, the rest of that. An expression for rows with a provider and `sent_at`.
_SINCE: Final = """
greatest(date_trunc('hour', sent_at, 'UTC'), (
  SELECT max(resumed_at) FROM provider_pauses
  WHERE provider_pauses.provider = counted.provider AND resumed_at <= sent_at))
"""
_LIST = ", ".join(OUTCOMES)
_SUMS = ", ".join(f"sum({name})::bigint AS {name}" for name in OUTCOMES)
_ALL = f"""
(SELECT provider, domain, since, {_LIST} FROM delivery_counts
 UNION ALL SELECT provider, domain, since, {_LIST} FROM delivery_count_changes) AS counted
"""  # noqa: S608 -- constants of this module


def append_from(rows: str) -> str:
    """Return the statement that appends the numbers of some rows.

    `rows` names a query with provider, domain, `sent_at`, whether each outcome is new, and whether a soft bounce has
    become a hard one.
    """
    hardened = " - count(*) FILTER (WHERE has_hardened)"
    numbers = ", ".join(
        f"count(*) FILTER (WHERE {name}){hardened if name == 'soft_bounced' else ''}" for name in OUTCOMES
    )
    return f"""
    INSERT INTO delivery_count_changes (provider, domain, since, {_LIST})
    SELECT provider, domain, {_SINCE}, {numbers} FROM {rows} AS counted
    WHERE provider IS NOT NULL AND ({" OR ".join(OUTCOMES)}) GROUP BY 1, 2, 3
    """  # noqa: S608 -- constants of the store


class AddedUp(Struct, frozen=True):
    """The providers of a page that was added up, and whether there may be another."""

    providers: list[str]
    is_full: bool


class DomainCounts(Struct, frozen=True):
    """The numbers of a provider's messages to a recipient domain."""

    provider: str
    domain: str
    counts: DeliveryCounts


async def sum_windows(connection: Connection, providers: Collection[str] | None) -> dict[str, list[DeliveryCounts]]:
    """Return the numbers that may pause these providers, all if None, if not paused.

    For each window, they are those of messages sent in the hours that began in it, and since the last resumption.
    """
    cursor = await connection.execute(
        f"""
        SELECT counted.provider, {_SUMS} FROM {_ALL}
        JOIN unnest(%(after)s::timestamptz[]) AS span (after) ON since > after
        LEFT JOIN LATERAL (
          SELECT bool_or(resumed_at IS NULL) AS is_paused, max(resumed_at) AS resumed_at
          FROM provider_pauses WHERE provider_pauses.provider = counted.provider) AS past ON true
        WHERE (%(providers)s::text[] IS NULL OR counted.provider = ANY(%(providers)s))
          AND since >= COALESCE(resumed_at, '-infinity') AND is_paused IS NOT TRUE
        GROUP BY counted.provider, after ORDER BY counted.provider, after DESC
        """,  # noqa: S608 -- constants of this module
        {
            "providers": None if providers is None else sorted(providers),
            "after": [connection.clock.now() - window for window in WINDOWS],
        },
    )
    found: dict[str, list[DeliveryCounts]] = {}
    async for row in cursor:
        found.setdefault(row.pop("provider"), []).append(DeliveryCounts(**row))
    return found


async def sum_by_domain(connection: Connection, after: datetime) -> list[DomainCounts]:
    """Return the numbers of messages sent in the hours that began after an instant."""
    cursor = await connection.execute(
        f"""
        SELECT provider, domain, {_SUMS} FROM {_ALL} WHERE since > %s
        GROUP BY provider, domain ORDER BY provider, sum(sent + delivered) DESC, domain
        """,  # noqa: S608 -- constants of this module
        (after,),
    )
    return [DomainCounts(row.pop("provider"), row.pop("domain"), DeliveryCounts(**row)) async for row in cursor]


async def add_up(connection: Connection) -> AddedUp:
    """Add up a page of appended rows, unless another worker does it."""
    cursor = await connection.execute("SELECT pg_try_advisory_xact_lock(%s, %s) AS is_locked", _LOCK)
    [lock] = await cursor.fetchall()
    if not lock["is_locked"]:
        return AddedUp([], is_full=False)
    added = ", ".join(f"{name} = known.{name} + EXCLUDED.{name}" for name in OUTCOMES)
    cursor = await connection.execute(
        f"""
        WITH taken AS (
          DELETE FROM delivery_count_changes
          WHERE id IN (SELECT id FROM delivery_count_changes ORDER BY id LIMIT %s)
          RETURNING provider, domain, since, {_LIST}
        ), added AS (
          INSERT INTO delivery_counts AS known (provider, domain, since, {_LIST})
          SELECT provider, domain, since, {_SUMS} FROM taken GROUP BY provider, domain, since
          ON CONFLICT (provider, domain, since) DO UPDATE SET {added}
        )
        SELECT provider, count(*) AS number FROM taken GROUP BY provider ORDER BY provider
        """,  # noqa: S608 -- constants of this module
        (PAGE,),
    )
    rows = await cursor.fetchall()
    return AddedUp([row["provider"] for row in rows], sum(row["number"] for row in rows) == PAGE)


async def forget(connection: Connection, lifetime: timedelta) -> None:
    """Delete old numbers."""
    await connection.execute("DELETE FROM delivery_counts WHERE since < now() + clock_ahead() - %s", (lifetime,))
