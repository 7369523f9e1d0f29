"""Messages of the ledger in a list, the latest first.

The counts by day say which groups of messages there are: of a campaign, a step, a state, a channel and a provider. The
index has the latest of each at hand; these are merged, so a page reads what it shows, however rare that is.
"""

from datetime import UTC, datetime, time, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from msgspec import Struct
from msgspec.structs import asdict, replace

from domain.sending.claim import MessageState
from store.daily_counts import COUNT_CONDITIONS, COUNTS, MessageFilter, write_conditions
from store.database import Connection


class MessagePosition(NamedTuple):
    """The last message of a page."""

    at: datetime
    id: UUID


class ListedMessage(Struct, frozen=True):
    """A message in a list; `at` is when it was granted, or last handed over."""

    id: UUID
    journey_id: UUID
    user_id: str | None
    campaign_key: str
    step: str
    channel: str
    template: str
    category: str
    provider: str | None
    state: MessageState
    reason: str | None
    detail: str | None
    at: datetime
    settled_at: datetime | None
    delivered_at: datetime | None
    opened_at: datetime | None
    clicked_at: datetime | None
    clicked_link: str | None
    bounced_at: datetime | None
    bounce: str | None
    complained_at: datetime | None
    replied_at: datetime | None
    dismissed_at: datetime | None


_SHOWN: Final = ", ".join(
    "profiles.user_id" if name == "user_id" else f"found.{name}" for name in ListedMessage.__struct_fields__
)
_CONDITIONS: Final = {
    **COUNT_CONDITIONS,
    "states": "state = ANY(%(states)s)",
    "provider": "COALESCE(provider, '') = %(provider)s",
}
_RANGE: Final = """
at >= %(begin)s AND at < %(end)s AND (%(after)s::timestamptz IS NULL OR (at, id) < (%(after)s, %(after_id)s))
ORDER BY at DESC, id DESC LIMIT %(limit)s
"""
# OFFSET prevents a scan of all messages by time: a person has few of them.
_OF_PERSON: Final = f"""
SELECT * FROM (SELECT * FROM messages WHERE profile_id = %(profile_id)s OFFSET 0) AS mine
WHERE {{conditions}} AND {_RANGE}
"""  # noqa: S608 -- a constant above
# A repeated claim moves its message to a later instant: past midnight, to the day after that of its count.
_OF_GROUPS: Final = f"""
SELECT latest.* FROM (
  SELECT campaign_key, step, outcome, channel, provider FROM {COUNTS}
  WHERE kind = 'message' AND day BETWEEN %(first)s::date - 1 AND %(last)s AND {{conditions}}
  GROUP BY campaign_key, step, outcome, channel, provider HAVING sum(number) > 0) AS each
CROSS JOIN LATERAL (
  SELECT * FROM messages
  WHERE messages.campaign_key = each.campaign_key AND messages.step = each.step AND messages.state = each.outcome
    AND messages.channel = each.channel AND COALESCE(messages.provider, '') = each.provider AND {_RANGE}) AS latest
ORDER BY latest.at DESC, latest.id DESC LIMIT %(limit)s
"""  # noqa: S608 -- constants above, and of the store


async def page(
    connection: Connection, which: MessageFilter, *, limit: int, after: MessagePosition | None
) -> list[ListedMessage]:
    """Return messages of a filter, the latest first, before `after`."""
    statement = _OF_GROUPS.format(conditions=write_conditions(which))
    found: list[ListedMessage] = []
    for part in await _split(connection, which, limit, after):
        if len(found) < limit:
            found += await _read(connection, statement, part, limit - len(found), after)
    return found


async def page_of_person(
    connection: Connection, profile_id: UUID, which: MessageFilter, *, limit: int, after: MessagePosition | None
) -> list[ListedMessage]:
    """Return those of one person."""
    statement = _OF_PERSON.format(conditions=write_conditions(which, _CONDITIONS))
    return await _read(connection, statement, which, limit, after, profile_id)


async def _split(
    connection: Connection, which: MessageFilter, limit: int, after: MessagePosition | None
) -> list[MessageFilter]:
    """Split a filter by days: the latest that have enough messages, and the rest.

    Deleted messages stay counted: if the latest have fewer, the rest is read as well.
    """
    last = which.last if after is None else min(which.last, after.at.astimezone(UTC).date())
    which = replace(which, last=last)
    cursor = await connection.execute(
        f"""
        SELECT day, sum(number)::bigint AS number FROM {COUNTS}
        WHERE kind = 'message' AND day BETWEEN %(first)s AND %(last)s AND {write_conditions(which)}
        GROUP BY day HAVING sum(number) > 0 ORDER BY day DESC
        """,  # noqa: S608 -- constants of the store
        asdict(which),
    )
    number = 0
    for row in await cursor.fetchall():
        # The day of `after` may have some left.
        number += row["number"] if after is None or row["day"] < last else 0
        if number >= limit and row["day"] > which.first:
            return [replace(which, first=row["day"]), replace(which, last=row["day"] - timedelta(days=1))]
    return [which]


async def _read(
    connection: Connection,
    statement: str,
    which: MessageFilter,
    limit: int,
    after: MessagePosition | None,
    profile_id: UUID | None = None,
) -> list[ListedMessage]:
    cursor = await connection.execute(
        f"""
        SELECT {_SHOWN} FROM ({statement}) AS found
        LEFT JOIN profiles ON profiles.id = found.profile_id ORDER BY found.at DESC, found.id DESC
        """,  # noqa: S608 -- constants of this module
        {
            **asdict(which),
            "profile_id": profile_id,
            "begin": datetime.combine(which.first, time(), UTC),
            "end": datetime.combine(which.last + timedelta(days=1), time(), UTC),
            "after": after and after.at,
            "after_id": after and after.id,
            "limit": limit,
        },
    )
    return [ListedMessage(**row) async for row in cursor]
