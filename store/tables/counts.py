"""Counts of journeys, decisions and messages, for queries over all time."""

from typing import Any, Final

from sqlalchemy import BigInteger, Column, Date, Identity, Index, Integer, Table, Text

from store.tables.columns import metadata

# A position is a version with a step and its status, or with an outcome; without any, the journey was not there.
MOVE: Final = (
    "campaign_key",
    "from_version",
    "from_step",
    "from_status",
    "from_outcome",
    "via",
    "version",
    "step",
    "status",
    "outcome",
)


def _list_move(*, is_key: bool) -> list[Column[Any]]:
    return [
        Column(
            name,
            Integer if name.endswith("version") else Text,
            primary_key=is_key,
            nullable=False,
            autoincrement=False,
        )
        for name in MOVE
    ]


# Moves of journeys from one position to another, written by triggers of `journeys`; `via` is the step whose request was
# answered in between. A position has as many journeys as have come, less those that have gone on.
journey_moves = Table(
    "journey_moves",
    metadata,
    *_list_move(is_key=True),
    Column("number", BigInteger, nullable=False),
)

# Moves not yet added to these: rows that no transaction waits for, unlike a counter.
journey_move_changes = Table(
    "journey_move_changes",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    *_list_move(is_key=False),
    Column("number", BigInteger, nullable=False),
)

# Decisions, messages by state and goals by UTC day, as far as the consumer `daily_counts` of the stream is. A message
# counts on the day of its grant, and a goal on that of its entry. `taken_by` is a campaign that took a message's room.
daily_counts = Table(
    "daily_counts",
    metadata,
    Column("day", Date, primary_key=True),
    Column("campaign_key", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, primary_key=True),
    Column("step", Text, primary_key=True),
    Column("outcome", Text, primary_key=True),
    Column("reason", Text, primary_key=True),
    Column("rule", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("provider", Text, primary_key=True),
    Column("category", Text, primary_key=True),
    Column("priority", Text, primary_key=True),
    Column("taken_by", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Index("daily_counts_campaign", "campaign_key", "version", "kind"),
)
