"""The metadata of all tables, and what their columns share."""

from sqlalchemy import Index, MetaData, TextClause, text
from sqlalchemy.dialects.postgresql import TIMESTAMP

metadata = MetaData()

INSTANT = TIMESTAMP(timezone=True)
EMPTY_OBJECT = text("'{}'::jsonb")
EMPTY_ARRAY = text("'[]'::jsonb")
CLOCK = text("clock_timestamp()")
# The clock that development and tests may set (store/clock.py).
DEPLOYMENT_CLOCK = text("now() + clock_ahead()")
# For keys and events without a named source.
DEFAULT_SOURCE = text("'default'")
# The transaction that wrote a row, for readers of committed rows (store/stream.py).
CURRENT_XID = text("(pg_current_xact_id()::text)::bigint")


def by_age(name: str, column: str | TextClause) -> Index:
    """Create the index that finds the rows of a time, such as old ones.

    Rows come in the order of their age, so a range of pages has one entry: 24 kB for a million rows, and next to
    nothing for each insert.
    """
    return Index(name, column, postgresql_using="brin", postgresql_with={"autosummarize": "on"})
