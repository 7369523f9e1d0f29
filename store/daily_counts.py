"""Numbers of decisions, messages and goals by day.

They are folded from the stream, up to a position, in the transaction that moves it: each row once. Every sum adds what
was recorded after the position, in one snapshot, and is exact. Rows that retention or an erasure deletes later stay
counted.
"""

from collections.abc import Collection, Mapping
from datetime import date
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import asdict

from domain.campaign.plan import MessagePriority
from domain.sending.claim import MessageState
from domain.stream import end_of
from store.database import Connection
from store.stream import read_horizon
from store.stream_consumers import lock_consumer, move_consumer

CONSUMER: Final = "daily_counts"
# Rows of each kind in one transaction, and those of the last transaction of the stream among them.
PAGE: Final = 10_000
_KEY: Final = (
    "day, campaign_key, version, kind, step, outcome, reason, rule, channel, provider, category, priority, taken_by"
)
_UTC_DAY: Final = "({} AT TIME ZONE 'UTC')::date"
# A message counts in its last state alone: a change takes back the state before. A capped message counts once for each
# campaign that took the room.
_ROWS: Final = f"""
SELECT {_UTC_DAY.format("decisions.at")} AS day, decisions.campaign_key, COALESCE(campaign_version, 0) AS version, kind,
       COALESCE(decisions.step, '') AS step, decisions.outcome, COALESCE(reason, '') AS reason,
       COALESCE(data ->> 'rule', '') AS rule, '' AS channel, '' AS provider, '' AS category, '' AS priority,
       '' AS taken_by, 1 AS number
FROM decisions LEFT JOIN journeys ON journeys.id = journey_id WHERE {{range}}
UNION ALL
SELECT {_UTC_DAY.format("at")}, campaign_key, 0, 'room', '', 'taken', '', COALESCE(data ->> 'rule', ''), '', '', '', '',
       taken_by, 1
FROM decisions CROSS JOIN LATERAL jsonb_object_keys(data -> 'taken') AS taken_by WHERE {{range}}
UNION ALL
SELECT {_UTC_DAY.format("COALESCE(each.at, messages.at)")}, messages.campaign_key, COALESCE(campaign_version, 0),
       'message', messages.step, each.state, COALESCE(each.reason, ''), '', COALESCE(each.channel, messages.channel),
       COALESCE(each.provider, ''), COALESCE(each.category, messages.category),
       COALESCE(each.priority, messages.priority), '', each.number
FROM message_changes AS changes JOIN messages ON messages.id = message_id
LEFT JOIN journeys ON journeys.id = messages.journey_id
CROSS JOIN LATERAL (
  SELECT changes.state, changes.reason, changes.at, changes.channel, changes.provider, changes.category,
         changes.priority, 1 AS number
  UNION ALL
  (SELECT before.state, before.reason, before.at, before.channel, before.provider, before.category, before.priority, -1
   FROM message_changes AS before WHERE before.message_id = changes.message_id AND before.id < changes.id
   ORDER BY before.id DESC LIMIT 1)) AS each
WHERE {{range}}
UNION ALL
SELECT {_UTC_DAY.format("entered_at")}, conversions.campaign_key, conversions.campaign_version, 'goal', '', 'reached',
       '', '', '', '', '', '', '', 1
FROM conversions JOIN journeys ON journeys.id = journey_id WHERE {{range}}
"""  # noqa: S608 -- constants of this module
_POSITION: Final = f"COALESCE((SELECT xid FROM stream_consumers WHERE name = '{CONSUMER}'), 0)"  # noqa: S608
COUNTS: Final = f"""
(SELECT {_KEY}, number FROM daily_counts
 UNION ALL SELECT {_KEY}, number FROM ({_ROWS.format(range=f"recorded_xid > {_POSITION}")}) AS later) AS counts
"""  # noqa: S608 -- constants of this module

MessageGrouping = Literal["channel", "provider", "campaign", "step", "day"]
_GROUPS: Final[Mapping[MessageGrouping, str]] = {
    "channel": "channel",
    "provider": "provider",
    "campaign": "campaign_key",
    "step": "step",
    "day": "day::text",
}
# The conditions on the counts for each value of a filter.
COUNT_CONDITIONS: Final[Mapping[str, str]] = {
    "campaign": "campaign_key = %(campaign)s",
    "step": "step = %(step)s",
    "states": "outcome = ANY(%(states)s)",
    "channel": "channel = %(channel)s",
    "provider": "provider = %(provider)s",
}


class StepCount(Struct, frozen=True):
    """The number of decisions of a kind at a step, or of its messages in a state."""

    kind: str
    step: str
    outcome: str
    reason: str
    number: int


class CampaignDay(Struct, frozen=True):
    """The number of decisions of a campaign on a day, or of its messages or goals."""

    day: date
    campaign_key: str
    kind: str
    outcome: str
    reason: str
    number: int


class MessageFilter(Struct, frozen=True, kw_only=True):
    """Messages granted on the UTC days between two, both included.

    Those in one of the states, if there are any. An empty provider has those that have none yet.
    """

    first: date
    last: date
    campaign: str | None = None
    step: str | None = None
    channel: str | None = None
    provider: str | None = None
    states: list[MessageState] = []


class MessageDay(Struct, frozen=True):
    """The number of messages in a state, by a value of a grouping."""

    value: str
    state: MessageState
    number: int


class CapDay(Struct, frozen=True):
    """How often a rule put off, or refused, messages of a campaign on a day."""

    rule: str
    day: date
    campaign: str
    outcome: str
    number: int


class GrantedDay(Struct, frozen=True):
    """The number of messages of a kind that were granted on a day and count in caps."""

    day: date
    channel: str
    category: str
    priority: MessagePriority
    number: int


class TakenRoom(Struct, frozen=True):
    """How often a campaign had the room of a rule that another needed, or itself."""

    rule: str
    campaign: str
    by: str
    times: int


async def fold(connection: Connection) -> int | None:
    """Add the next rows of the stream; return their number, None if others do."""
    position = await lock_consumer(connection, CONSUMER)
    if position is None:
        return None
    horizon = await read_horizon(connection)
    cursor = await connection.execute(
        """
        SELECT min(xid) AS last FROM (
          (SELECT recorded_xid FROM decisions WHERE recorded_xid > %(after)s AND recorded_xid < %(below)s
           ORDER BY recorded_xid LIMIT 1 OFFSET %(page)s)
          UNION ALL
          (SELECT recorded_xid FROM message_changes WHERE recorded_xid > %(after)s AND recorded_xid < %(below)s
           ORDER BY recorded_xid LIMIT 1 OFFSET %(page)s)
          UNION ALL
          (SELECT recorded_xid FROM conversions WHERE recorded_xid > %(after)s AND recorded_xid < %(below)s
           ORDER BY recorded_xid LIMIT 1 OFFSET %(page)s)) AS ends (xid)
        """,
        {"after": position.xid, "below": horizon.xid, "page": PAGE - 1},
    )
    [row] = await cursor.fetchall()
    last: int = horizon.xid - 1 if row["last"] is None else row["last"]
    if last <= position.xid:
        return 0
    cursor = await connection.execute(
        f"""
        WITH taken AS MATERIALIZED (
          SELECT {_KEY}, sum(number)::bigint AS number, count(*) AS rows
          FROM ({_ROWS.format(range="recorded_xid > %(after)s AND recorded_xid <= %(last)s")}) AS recorded
          GROUP BY {_KEY}
        ), added AS (
          INSERT INTO daily_counts AS known ({_KEY}, number) SELECT {_KEY}, number FROM taken WHERE number <> 0
          ON CONFLICT ({_KEY}) DO UPDATE SET number = known.number + EXCLUDED.number
        )
        SELECT COALESCE(sum(rows), 0)::bigint AS number FROM taken
        """,  # noqa: S608 -- constants of this module
        {"after": position.xid, "last": last},
    )
    [row] = await cursor.fetchall()
    number: int = row["number"]
    if number:
        await move_consumer(connection, CONSUMER, end_of(last))
    return number


async def read_steps(connection: Connection, campaign_key: str, version: int) -> list[StepCount]:
    """Return the decisions about messages of a version, and its messages, by step.

    And those about entries, of which the refused ones are of no version.
    """
    cursor = await connection.execute(
        f"""
        SELECT kind, step, outcome, reason, sum(number)::bigint AS number FROM {COUNTS}
        WHERE campaign_key = %s AND (version = %s AND kind IN ('send', 'message') OR version = 0 AND kind = 'entry')
        GROUP BY 1, 2, 3, 4
        """,  # noqa: S608 -- constants of this module
        (campaign_key, version),
    )
    return [StepCount(**row) async for row in cursor]


async def read_campaigns(connection: Connection, since: date, kinds: Collection[str]) -> list[CampaignDay]:
    """Return the numbers of all campaigns on each day since one."""
    cursor = await connection.execute(
        f"""
        SELECT day, campaign_key, kind, outcome, CASE WHEN outcome = 'refused' THEN reason ELSE '' END AS reason,
               sum(number)::bigint AS number
        FROM {COUNTS} WHERE day >= %s AND kind = ANY(%s) GROUP BY 1, 2, 3, 4, 5
        """,  # noqa: S608 -- constants of this module
        (since, list(kinds)),
    )
    return [CampaignDay(**row) async for row in cursor]


async def find_last_day(connection: Connection, today: date) -> date:
    """Return the last day of which something is counted, today at the earliest."""
    cursor = await connection.execute(
        f"SELECT COALESCE(max(day), %(today)s) AS day FROM {COUNTS} WHERE day > %(today)s",  # noqa: S608 -- constants
        {"today": today},
    )
    [row] = await cursor.fetchall()
    found: date = row["day"]
    return found


async def read_messages(connection: Connection, which: MessageFilter, by: MessageGrouping) -> list[MessageDay]:
    """Return the messages of a filter, by their states now."""
    cursor = await connection.execute(
        f"""
        SELECT {_GROUPS[by]} AS value, outcome AS state, sum(number)::bigint AS number FROM {COUNTS}
        WHERE day BETWEEN %(first)s AND %(last)s AND kind = 'message' AND {write_conditions(which)}
        GROUP BY 1, 2 HAVING sum(number) <> 0 ORDER BY 1, 2
        """,  # noqa: S608 -- constants of this module
        asdict(which),
    )
    return [MessageDay(**row) async for row in cursor]


def write_conditions(which: MessageFilter, conditions: Mapping[str, str] = COUNT_CONDITIONS) -> str:
    """Join the conditions of the values that a filter has."""
    given = [condition for name, condition in conditions.items() if getattr(which, name) not in (None, [])]
    return " AND ".join(given) or "true"


async def read_caps(connection: Connection, first: date, last: date) -> list[CapDay]:
    """Return what each rule of caps and budgets put off or refused."""
    cursor = await connection.execute(
        f"""
        SELECT rule, day, campaign_key AS campaign, outcome, sum(number)::bigint AS number FROM {COUNTS}
        WHERE day BETWEEN %s AND %s AND kind = 'send' AND rule <> '' AND outcome IN ('deferred', 'refused')
        GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
        """,  # noqa: S608 -- constants of this module
        (first, last),
    )
    return [CapDay(**row) async for row in cursor]


async def read_granted(connection: Connection, first: date, last: date) -> list[GrantedDay]:
    """Return the messages granted on these days, less cancelled and failed ones."""
    cursor = await connection.execute(
        f"""
        SELECT day, channel, category, priority, sum(number)::bigint AS number FROM {COUNTS}
        WHERE day BETWEEN %s AND %s AND kind = 'message' AND outcome IN ('reserved', 'sending', 'sent', 'unknown')
        GROUP BY 1, 2, 3, 4
        """,  # noqa: S608 -- constants of this module
        (first, last),
    )
    return [GrantedDay(**row) async for row in cursor]


async def read_taken(connection: Connection, first: date, last: date) -> list[TakenRoom]:
    """Return which campaigns took the room of which, the most frequent first."""
    cursor = await connection.execute(
        f"""
        SELECT rule, campaign_key AS campaign, taken_by AS by, sum(number)::bigint AS times FROM {COUNTS}
        WHERE day BETWEEN %s AND %s AND kind = 'room' GROUP BY 1, 2, 3 ORDER BY 1, 4 DESC, 2, 3
        """,  # noqa: S608 -- constants of this module
        (first, last),
    )
    return [TakenRoom(**row) async for row in cursor]
