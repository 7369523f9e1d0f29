"""Mailings of a provider before the run: so large that a single complaint more pauses its marketing."""

import asyncio

import psycopg

from domain.sending.deliverability import MIN_COMPLAINTS, MIN_MESSAGES
from tests.chaos.reporter import ReportingName

COMPLAINTS = MIN_COMPLAINTS - 1
RETRY_PAUSE = 0.5
# It counts from now, or from when the last pause was ended: by a process whose clock is ahead, that is to come. One
# whose answer was lost is not appended twice.
_APPEND = """
INSERT INTO delivery_count_changes
  (provider, domain, since, sent, delivered, complained, hard_bounced, soft_bounced, opened, clicked)
SELECT %(provider)s, 'mailing', greatest(clock_timestamp(), resumed_at), %(messages)s, %(messages)s, %(complaints)s,
       0, 0, 0, 0
FROM (SELECT max(resumed_at) AS resumed_at FROM provider_pauses WHERE provider = %(provider)s) AS past
WHERE NOT EXISTS (
  SELECT FROM (SELECT provider, domain, since FROM delivery_counts
               UNION ALL SELECT provider, domain, since FROM delivery_count_changes) AS known
  WHERE provider = %(provider)s AND domain = 'mailing' AND since >= COALESCE(resumed_at, '-infinity'))
"""


async def append_mailing(url: str, provider: ReportingName) -> None:
    """Have the ledger say that a provider has delivered one since its last pause, once the database is there."""
    values = {"provider": provider, "messages": MIN_MESSAGES, "complaints": COMPLAINTS}
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
                await connection.execute(_APPEND, values)
                return
        except psycopg.OperationalError:
            await asyncio.sleep(RETRY_PAUSE)
