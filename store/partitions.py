"""Monthly partitions of the events: made ahead of time, so that no event waits for one.

An event that outruns them lands in the default partition and is not lost.
"""

from psycopg import AsyncConnection

MONTHS_AHEAD = 3

ENSURE = f"""
DO $$
DECLARE
  month date;
BEGIN
  FOR month IN
    SELECT generate_series(
      date_trunc('month', now() AT TIME ZONE 'UTC'),
      date_trunc('month', now() AT TIME ZONE 'UTC') + interval '{MONTHS_AHEAD} months',
      interval '1 month')::date
  LOOP
    EXECUTE format(
      'CREATE TABLE IF NOT EXISTS events_%s PARTITION OF events FOR VALUES FROM (%L) TO (%L)',
      to_char(month, 'YYYY_MM'), month::timestamp AT TIME ZONE 'UTC',
      (month + interval '1 month') AT TIME ZONE 'UTC');
  END LOOP;
END
$$
"""  # noqa: S608 -- the only value put in is a constant of this module


async def ensure(connection: AsyncConnection[object]) -> None:
    """Make this month's partition and those of the months ahead, where they are missing."""
    await connection.execute(ENSURE)
