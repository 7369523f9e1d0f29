"""Monthly partitions of the events, created ahead of time.

An event beyond them (no worker ran for months, or a clock is ahead) goes to the default partition and is moved when its
month is created.
"""

from psycopg import AsyncConnection
from psycopg.rows import DictRow

MONTHS_AHEAD = 3
# Concurrent calls take turns.
PARTITIONS_LOCK = 0x50_41_52_54

ENSURE = f"""
DO $$
DECLARE
  month date;
  partition text;
  since timestamptz;
  until timestamptz;
BEGIN
  PERFORM pg_advisory_xact_lock({PARTITIONS_LOCK});
  FOR month IN
    SELECT generate_series(
      date_trunc('month', now() AT TIME ZONE 'UTC'),
      date_trunc('month', now() AT TIME ZONE 'UTC') + interval '{MONTHS_AHEAD} months',
      interval '1 month')::date
  LOOP
    partition := to_char(month, '"events_"YYYY_MM');
    since := month::timestamp AT TIME ZONE 'UTC';
    until := (month + interval '1 month') AT TIME ZONE 'UTC';
    CONTINUE WHEN to_regclass(partition) IS NOT NULL;
    EXECUTE format('CREATE TABLE %I (LIKE events INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition);
    LOCK TABLE events_default IN ACCESS EXCLUSIVE MODE;
    EXECUTE format(
      'WITH moved AS (DELETE FROM events_default WHERE received_at >= %L AND received_at < %L RETURNING *)
       INSERT INTO %I SELECT * FROM moved', since, until, partition);
    EXECUTE format('ALTER TABLE events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', partition, since, until);
  END LOOP;
END
$$
"""  # noqa: S608 -- the only values put in are constants of this module


async def ensure(connection: AsyncConnection[object]) -> None:
    """Create the missing partitions of this month and the coming ones."""
    await connection.execute(ENSURE)


async def find_missing(connection: AsyncConnection[DictRow]) -> str | None:
    """Return the name of this month's partition if it is missing."""
    cursor = await connection.execute(
        """
        SELECT name FROM to_char(now() AT TIME ZONE 'UTC', '"events_"YYYY_MM') AS name
        WHERE to_regclass(name) IS NULL
        """
    )
    row = await cursor.fetchone()
    return str(row["name"]) if row else None
