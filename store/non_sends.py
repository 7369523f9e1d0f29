"""People who got nothing: refused entries and messages, by reason.

How often comes from the counts by day, who from an index of refusals; so a list of people reads what it shows, and a
number of people the refusals of its days.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import product
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

from msgspec import Struct

from store.daily_counts import COUNTS
from store.database import Connection

# One person in so many is counted for an estimate. As the index `decisions_non_sends_sample` has it: only by the same
# text does the planner use that.
SAMPLED: Final = 64
_IS_SAMPLED: Final = "(uuid_hash(profile_id) & 63) = 0"
NonSendGrouping = Literal["reason", "campaign", "step", "rule", "day"]
_COLUMNS: Final[Mapping[NonSendGrouping, str]] = {
    "reason": "COALESCE(reason, '')",
    "campaign": "campaign_key",
    "step": "COALESCE(step, '')",
    "rule": "COALESCE(rule, '')",
    "day": "(at AT TIME ZONE 'UTC')::date::text",
}
_COUNTED: Final[Mapping[NonSendGrouping, str]] = {
    "reason": "reason",
    "campaign": "campaign_key",
    "step": "step",
    "rule": "rule",
    "day": "day::text",
}


# The columns that lack a value in some refusals; counts have an empty one there.
_NULLABLE: Final = ("step", "reason", "rule")


class NonSendFilter(Struct, frozen=True, kw_only=True):
    """Refusals of the UTC days between two, both included.

    An empty step or rule has those without one.
    """

    first: date
    last: date
    campaign: str | None = None
    step: str | None = None
    reason: str | None = None
    rule: str | None = None


class NonSendGroup(Struct, frozen=True):
    """How many people got nothing for a value of the grouping, and how often."""

    value: str
    people: int
    times: int


class NonSendPosition(NamedTuple):
    """The last refusal of a page."""

    at: datetime
    id: UUID


class NonSend(Struct, frozen=True):
    """A refused entry or message of a person."""

    id: UUID
    user_id: str | None
    journey_id: UUID | None
    campaign: str
    step: str | None
    reason: str | None
    rule: str | None
    at: datetime
    data: dict[str, Any]


async def count_times(connection: Connection, which: NonSendFilter, by: NonSendGrouping) -> dict[str, int]:
    """Return how often it happened, by value."""
    cursor = await connection.execute(
        f"""
        SELECT {_COUNTED[by]} AS value, sum(number)::bigint AS times FROM {COUNTS}
        WHERE {_write_conditions(which, _COUNTED)} AND day BETWEEN %(first)s AND %(last)s AND outcome = 'refused'
        GROUP BY 1
        """,  # noqa: S608 -- constants of the store
        _parameters(which),
    )
    return {row["value"]: row["times"] async for row in cursor}


async def count_people(
    connection: Connection, which: NonSendFilter, by: NonSendGrouping | None = None, *, is_estimate: bool = False
) -> dict[str, int]:
    """Return how many people it happened to, by value; without a grouping, in all.

    An estimate is that of one person in 64, and thus a multiple of it.
    """
    value = "''" if by is None else _COLUMNS[by]
    cursor = await connection.execute(
        f"""
        SELECT value, count(*) AS people FROM (
          SELECT DISTINCT {value} AS value, profile_id FROM decisions
          WHERE outcome = 'refused' AND at >= %(begin)s AND at < %(end)s
            AND {_write_conditions(which, _COLUMNS)} AND {_IS_SAMPLED if is_estimate else "true"}) AS each
        GROUP BY 1
        """,  # noqa: S608 -- constants of this module
        _parameters(which),
    )
    scale = SAMPLED if is_estimate else 1
    return {row["value"]: row["people"] * scale async for row in cursor}


async def page(
    connection: Connection, which: NonSendFilter, *, limit: int, after: NonSendPosition | None
) -> list[NonSend]:
    """Return refusals, the latest first, before `after`.

    The index has the latest of each campaign, step, reason and rule at hand; only groups whose latest is among the
    latest of all can be on the page.
    """
    parameters = _parameters(which)
    end = NonSendPosition(parameters["end"], UUID(int=0))
    before = end if after is None else min(after, end)
    cursor = await connection.execute(
        f"""
        WITH groups AS (
          SELECT DISTINCT campaign_key, step, reason, rule FROM {COUNTS}
          WHERE {_write_conditions(which, _COUNTED)} AND day BETWEEN %(first)s AND %(last)s AND outcome = 'refused'
        ), named AS (
          SELECT named.campaign_key, named.step, named.reason, named.rule
          FROM groups AS named CROSS JOIN LATERAL ({_select_latest("1")}) AS latest
          ORDER BY latest.at DESC, latest.id DESC LIMIT %(limit)s
        ), found AS (
          SELECT latest.id FROM named CROSS JOIN LATERAL ({_select_latest("%(limit)s")}) AS latest
          ORDER BY latest.at DESC, latest.id DESC LIMIT %(limit)s
        )
        SELECT decisions.id, profiles.user_id, journey_id, campaign_key AS campaign, step, reason, rule, at, data
        FROM decisions LEFT JOIN profiles ON profiles.id = profile_id
        WHERE decisions.id IN (SELECT id FROM found) ORDER BY at DESC, decisions.id DESC
        """,  # noqa: S608 -- constants of the store
        {**parameters, "limit": limit, "before": before.at, "before_id": before.id},
    )
    return [NonSend(**row) async for row in cursor]


def _select_latest(limit: str) -> str:
    """Select the latest refusals of the group `named`.

    An index finds no value that is null by an equation: there is a branch for each, of which one runs.
    """
    return " UNION ALL ".join(
        _select_branch(nullable, limit) for nullable in product((True, False), repeat=len(_NULLABLE))
    )


def _select_branch(is_null: Sequence[bool], limit: str) -> str:
    # In the order of the index: the planner does not know that all values are null where a column is.
    conditions = " AND ".join(
        f"named.{column} = '' AND {column} IS NULL" if null else f"named.{column} <> '' AND {column} = named.{column}"
        for column, null in zip(_NULLABLE, is_null, strict=True)
    )
    return f"""
    (SELECT at, id FROM decisions
     WHERE outcome = 'refused' AND campaign_key = named.campaign_key AND {conditions}
       AND at >= %(begin)s AND (at, id) < (%(before)s, %(before_id)s)
     ORDER BY step DESC, reason DESC, rule DESC, at DESC, id DESC LIMIT {limit})
    """  # noqa: S608 -- constants of this module


def _write_conditions(which: NonSendFilter, columns: Mapping[NonSendGrouping, str]) -> str:
    named: Sequence[NonSendGrouping] = ("campaign", "step", "reason", "rule")
    conditions = [f"{columns[name]} = %({name})s" for name in named if getattr(which, name) is not None]
    return " AND ".join(conditions) or "true"


def _parameters(which: NonSendFilter) -> dict[str, Any]:
    return {
        "first": which.first,
        "last": which.last,
        "begin": datetime.combine(which.first, time(), UTC),
        "end": datetime.combine(which.last + timedelta(days=1), time(), UTC),
        "campaign": which.campaign,
        "step": which.step,
        "reason": which.reason,
        "rule": which.rule,
    }
