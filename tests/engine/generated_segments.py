"""Generated conditions of segments, each in CEL and in SQL over the whole history.

CEL's `&&`, `||` and `!` take an error as SQL's take NULL, and a condition that fails does not hold.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

TRAITS = """
computed:
  orders: {count: Order Completed}
  big_10d: {count: Order Completed, where: event.properties.value > 50, within: 10d}
  spent_7d: {sum: Order Completed, of: event.properties.value, within: 7d}
  active_3d: {any: '*', within: 3d}
  last_order: {last: Order Completed}
  read_then_bought: {sequence: [Article Read, Order Completed], within: 1d}
"""
# A row of these for each person; `at` is the instant. The plan is the profile's: what a merge and its undo leave of it
# is not of segments.
REFERENCE = """
WITH one AS (
  SELECT profile_id, name, timestamp,
         CASE WHEN jsonb_typeof(properties -> 'value') = 'number' THEN (properties ->> 'value')::numeric END AS value
  FROM events
), orders AS (
  SELECT profile_id, count(*) AS orders, max(timestamp) AS last_order,
         count(*) FILTER (WHERE value > 50 AND timestamp > %(at)s - interval '10 days') AS big_10d,
         COALESCE(sum(value) FILTER (WHERE timestamp > %(at)s - interval '7 days'), 0) AS spent_7d,
         max(timestamp) FILTER (WHERE EXISTS (
           SELECT FROM one AS earlier
           WHERE earlier.profile_id = one.profile_id AND earlier.name = 'Article Read'
             AND earlier.timestamp < one.timestamp AND earlier.timestamp >= one.timestamp - interval '1 day'
         )) AS read_then_bought
  FROM one WHERE name = 'Order Completed' GROUP BY profile_id
), person AS (
  SELECT profiles.id, profiles.user_id, profiles.created_at, profiles.traits ->> 'plan' AS plan,
         COALESCE(orders, 0) AS orders,
         COALESCE(big_10d, 0) AS big_10d, COALESCE(spent_7d, 0) AS spent_7d, last_order, read_then_bought,
         EXISTS (SELECT FROM one WHERE one.profile_id = profiles.id
                                   AND timestamp > %(at)s - interval '3 days') AS active_3d
  FROM profiles LEFT JOIN orders ON orders.profile_id = profiles.id
)
"""


@dataclass(frozen=True)
class Generated:
    """A condition in CEL, and in SQL: true, false, or NULL where it fails.

    In SQL, `<s1>` stands for another segment.
    """

    cel: str
    sql: str


def generate(draw: Random, number: int) -> dict[str, Generated]:
    """Return segments by key; each may ask for those before it."""
    return {f"s{index}": generate_one(draw, index) for index in range(number)}


def generate_one(draw: Random, index: int) -> Generated:
    """Return a segment that may ask for those with a smaller index."""
    return _generate(draw, [f"s{one}" for one in range(index)], depth=3)


def in_sql(key: str, segments: Mapping[str, Generated]) -> str:
    """Return whether a segment holds, in SQL."""
    sql = re.sub("<(s[0-9]+)>", lambda found: in_sql(found[1], segments), segments[key].sql)
    return f"COALESCE(({sql}), false)"


def _generate(draw: Random, known: Sequence[str], depth: int) -> Generated:
    if depth == 0 or draw.random() < 0.2:
        return _atom(draw, known)
    kind = draw.choice(("&&", "||", "!"))
    one = _generate(draw, known, depth - 1)
    if kind == "!":
        return Generated(f"!({one.cel})", f"NOT ({one.sql})")
    other = _generate(draw, known, depth - 1)
    word = {"&&": "AND", "||": "OR"}[kind]
    return Generated(f"({one.cel}) {kind} ({other.cel})", f"({one.sql}) {word} ({other.sql})")


def _atom(draw: Random, known: Sequence[str]) -> Generated:
    number, days = draw.randrange(1, 6), draw.randrange(1, 9)
    atoms = [
        Generated(f"profile.computed.orders >= {number}", f"orders >= {number}"),
        Generated(f"profile.computed.big_10d < {number}", f"big_10d < {number}"),
        Generated(f"profile.computed.spent_7d > {20 * number}", f"spent_7d > {20 * number}"),
        Generated("profile.computed.active_3d", "active_3d"),
        Generated('profile.traits.plan == "pro"', "plan = 'pro'"),
        Generated("has(profile.traits.plan)", "plan IS NOT NULL"),
        Generated("profile.user_id != null", "user_id IS NOT NULL"),
        Generated(f'known_for("{days}d")', f"created_at <= %(at)s - interval '{days} days'"),
        _within("last_order", days),
        _within("read_then_bought", days),
    ]
    if known:
        key = draw.choice(known)
        atoms += [Generated(f'"{key}" in profile.segments', f"<{key}>")] * 3
    return draw.choice(atoms)


def _within(trait: str, days: int) -> Generated:
    return Generated(
        f'within(profile.computed.{trait}, "{days}d")',
        f"{trait} IS NOT NULL AND {trait} <= %(at)s AND {trait} > %(at)s - interval '{days} days'",
    )
