"""The moves of people between stages, or segments of another exclusive group."""

from datetime import datetime
from typing import Final

from domain.people.segments.stages import LIFECYCLE, STAGE_PREFIX
from domain.people.stage_flow import CountedMove, MoveMessage
from store.database import Connection

# A move is the row of a joined stage, and that of the left one right before it, of the same judgement. A merged person
# has the rows of both, in which a stage of one may stand before a stage of the other: no move. A changed definition
# moves people whose life has not changed.
_MOVES: Final = """
WITH stages AS (
  SELECT id, substr(key, length(%(prefix)s) + 1) AS stage FROM segments WHERE rule ->> 'exclusive' = %(group)s
), moved AS (
  SELECT DISTINCT profile_id FROM segment_changes JOIN stages ON stages.id = segment_id
  WHERE at >= %(from)s AND at < %(to)s AND has_joined AND cause ->> 'kind' <> 'definition'
), stays AS (
  SELECT changes.id, profile_id, stage, has_joined, at, cause,
         lag(at) OVER stay AS began_at, lag(cause ->> 'kind') OVER stay AS began_by
  FROM segment_changes AS changes JOIN stages ON stages.id = segment_id JOIN moved USING (profile_id)
  WHERE at < %(to)s
  WINDOW stay AS (PARTITION BY profile_id, stage ORDER BY changes.id)
), lives AS (
  SELECT id, profile_id, stage AS after, has_joined, at, cause, lag(stage) OVER life AS before,
         lag(began_at) OVER life AS began_at, lag(began_by) OVER life AS began_by,
         COALESCE(NOT lag(has_joined) OVER life AND lag(at) OVER life = at AND lag(cause) OVER life = cause, false)
           AS is_move
  FROM stays WINDOW life AS (PARTITION BY profile_id ORDER BY id)
), moves AS (
  SELECT profile_id, CASE WHEN is_move THEN before END AS before, after, at,
         CASE WHEN is_move AND began_by <> 'definition' THEN at - began_at END AS stay
  FROM lives
  WHERE has_joined AND at >= %(from)s AND cause ->> 'kind' <> 'definition'
)
"""


async def count_moves(
    connection: Connection, begin: datetime, end: datetime, group: str = LIFECYCLE, prefix: str = STAGE_PREFIX
) -> list[CountedMove]:
    """Count the moves of a period between the segments of a group.

    They are named without their prefix.
    """
    cursor = await connection.execute(
        f"""
        {_MOVES}
        SELECT before, after, count(*) AS moves, count(DISTINCT profile_id) AS people,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM stay)::float8 / 86400) AS median_days
        FROM moves GROUP BY before, after
        """,  # noqa: S608 -- a constant of this module
        _parameters(begin, end, group, prefix),
    )
    return [CountedMove(**row) async for row in cursor]


async def count_messages(connection: Connection, begin: datetime, end: datetime) -> list[MoveMessage]:
    """Count moves by the last message before each, within its goal window."""
    cursor = await connection.execute(
        f"""
        {_MOVES}
        SELECT before, after, campaign, step, count(*) AS moves
        FROM moves CROSS JOIN LATERAL (
          SELECT messages.campaign_key AS campaign, messages.step
          FROM messages JOIN journeys ON journeys.id = messages.journey_id
          JOIN campaign_versions AS version
            ON version.campaign_key = journeys.campaign_key AND version.version = journeys.campaign_version
          WHERE messages.profile_id = moves.profile_id AND messages.state IN ('sending', 'sent', 'unknown')
            AND messages.at <= moves.at
            AND messages.at > moves.at - (version.rules #>> '{{goal,within}}')::float8 * interval '1 second'
          ORDER BY messages.at DESC, messages.id DESC LIMIT 1
        ) AS message
        GROUP BY before, after, campaign, step ORDER BY moves DESC, campaign, step
        """,  # noqa: S608 -- a constant of this module
        _parameters(begin, end),
    )
    return [MoveMessage(**row) async for row in cursor]


def _parameters(
    begin: datetime, end: datetime, group: str = LIFECYCLE, prefix: str = STAGE_PREFIX
) -> dict[str, object]:
    return {"group": group, "prefix": prefix, "from": begin, "to": end}
