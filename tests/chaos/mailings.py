"""Mailings of a provider before the run: so large that a single complaint more pauses its marketing."""

import psycopg

from domain.sending.deliverability import MIN_COMPLAINTS, MIN_MESSAGES
from tests.chaos.reporter import ReportingName

COMPLAINTS = MIN_COMPLAINTS - 1
# It counts from now, or from when the last pause was ended: by a process whose clock is ahead, that is to come.
_APPEND = """
INSERT INTO delivery_count_changes
  (provider, domain, since, sent, delivered, complained, hard_bounced, soft_bounced, opened, clicked)
SELECT %(provider)s, 'other', greatest(clock_timestamp(), max(resumed_at)), %(messages)s, %(messages)s, %(complaints)s,
       0, 0, 0, 0
FROM provider_pauses WHERE provider = %(provider)s
"""


async def append_mailing(url: str, provider: ReportingName) -> None:
    """Have the ledger say that a provider has delivered one."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(_APPEND, {"provider": provider, "messages": MIN_MESSAGES, "complaints": COMPLAINTS})
