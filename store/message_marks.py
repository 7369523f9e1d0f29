"""Marks of reports in the rows of messages, and in the numbers of providers."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from msgspec.structs import asdict
from psycopg.types.json import Jsonb

from domain.sending.ledger_marks import MARK_TIMES, LedgerMarks
from store import inbox, survey_answers, tracked_links
from store.database import Connection
from store.delivery_counts import DOMAIN, OUTCOMES, SENT_AT, append_from
from store.transaction_metrics import Metric


async def mark(connection: Connection, marks: Sequence[LedgerMarks], ending: Collection[UUID] = ()) -> None:
    """Record what was reported of these messages, one item each, if they exist.

    The earliest of each kind stays. A report proves that the provider has taken a message whose outcome was lost, or is
    not known yet: it becomes `sent`. `ending` are the journeys that the caller ends in the same transaction, which
    locks messages, too: all are locked here in the order of their ids, so that two such transactions never deadlock.
    """
    items = Jsonb([asdict(one) for one in marks])
    cursor = await connection.execute(_MARK, {"marks": items, "ending": list(ending)})
    if clicks := [click for one in marks for click in one.held_clicks]:
        await tracked_links.hold(connection, clicks)
    shown = [one for one in marks if one.shows or one.completed_at is not None]
    if shown:
        await inbox.record(connection, [inbox.Reactions(one.id, one.shows, one.completed_at) for one in shown])
    if answers := [answer for one in marks for answer in one.answers]:
        await survey_answers.insert(connection, answers)
    rows: list[dict[str, Any]] = []

    async def settled() -> list[tuple[str, ...]]:
        rows.extend(await cursor.fetchall())
        return [(row["campaign_key"], row["channel"], row["state"], "") for row in rows if row["sent"]]

    async def counted() -> list[tuple[str, ...]]:
        known = [row for row in rows if row["provider"] is not None]
        return [(row["provider"], row["domain"], name) for row in known for name in OUTCOMES if row[name]]

    connection.metrics.add_later(Metric.SETTLED, settled)
    # Read after the other one, which fetches the rows.
    connection.metrics.add_later(Metric.DELIVERABILITY, counted)


_TIMES = ", ".join(f"{name} timestamptz" for name in MARK_TIMES)
_SET_TIMES = ", ".join(f"{name} = least(messages.{name}, item.{name})" for name in MARK_TIMES)
# Never NULL, which is not false: AND would go on to read all messages of the person.
_IS_HARD = "old.bounce IS DISTINCT FROM 'hard' AND new.bounce IS NOT DISTINCT FROM 'hard'"
_IS_FIRST = ", ".join(
    f"{condition} AS {name}"
    for name, condition in {
        "sent": "old.state <> 'sent' AND new.state = 'sent'",
        "is_hard": _IS_HARD,
        "has_hardened": f"old.bounced_at IS NOT NULL AND {_IS_HARD}",
        "soft_bounced": "old.bounced_at IS NULL AND new.bounced_at IS NOT NULL AND new.bounce IS DISTINCT FROM 'hard'",
        "has_complained": "old.complained_at IS NULL AND new.complained_at IS NOT NULL",
        **{name: f"old.{name}_at IS NULL AND new.{name}_at IS NOT NULL" for name in ("delivered", "opened", "clicked")},
    }.items()
)
_IS_EARLIER = " OR ".join(f"item.{name} < COALESCE(messages.{name}, 'infinity')" for name in MARK_TIMES)
# A server may give up after it has reported delays.
_IS_HARDER = "item.bounce = 'hard' AND messages.bounce IS DISTINCT FROM 'hard'"


def _is_first_of_address(outcome: str, known: str) -> str:
    """Return the condition that no other message to the address has an outcome.

    It reads the ledger, and the messages that are marked at once. Otherwise one recipient would make a rate.
    """
    return f"""
    {outcome} AND row_number() OVER (PARTITION BY profile_id, channel, COALESCE(address, id::text), {outcome}
                                     ORDER BY id) = 1
    AND NOT EXISTS (SELECT FROM messages AS other
                    WHERE other.profile_id = marked.profile_id AND other.channel = marked.channel
                      AND other.address = marked.address AND other.id <> marked.id AND other.{known})
    """


# `reserved` after an attempt: the provider had said that it did not take the message.
_IS_PROVED = """
(item.is_accepted AND (state IN ('sending', 'unknown') OR state = 'reserved' AND attempts > 0))
"""
_MARK = f"""
WITH item AS (
  SELECT * FROM jsonb_to_recordset(%(marks)s) AS item (
    id uuid, {_TIMES}, clicked_link text, bounce text, is_accepted boolean, is_refused boolean, by_mail boolean,
    provider_id text)
), wanted AS (
  SELECT id FROM item
  UNION SELECT id FROM messages WHERE journey_id = ANY(%(ending)s) AND state = 'reserved'
), locked AS (
  SELECT messages.id FROM messages JOIN wanted ON wanted.id = messages.id
  ORDER BY messages.id FOR NO KEY UPDATE OF messages
), marked AS (
UPDATE messages SET {_SET_TIMES},
  clicked_link = CASE WHEN item.clicked_at < COALESCE(messages.clicked_at, 'infinity') THEN item.clicked_link
                      ELSE messages.clicked_link END,
  bounce = CASE WHEN {_IS_HARDER} THEN 'hard'
                WHEN item.bounced_at < COALESCE(messages.bounced_at, 'infinity')
                  AND messages.bounce IS DISTINCT FROM 'hard' THEN item.bounce
                ELSE messages.bounce END,
  state = CASE WHEN {_IS_PROVED} THEN 'sent' ELSE state END,
  reason = CASE WHEN {_IS_PROVED} THEN NULL ELSE reason END,
  detail = CASE WHEN {_IS_PROVED} THEN NULL ELSE detail END,
  settled_at = CASE WHEN {_IS_PROVED} THEN clock_timestamp() ELSE settled_at END,
  provider_id = CASE WHEN {_IS_PROVED} THEN COALESCE(item.provider_id, messages.provider_id)
                     ELSE messages.provider_id END
FROM locked JOIN item ON item.id = locked.id
WHERE messages.id = locked.id AND ({_IS_EARLIER} OR {_IS_HARDER} OR {_IS_PROVED})
RETURNING messages.id, profile_id, address, new.state, messages.campaign_key, messages.channel, messages.provider,
  {DOMAIN} AS domain, {SENT_AT} AS sent_at, item.is_refused, item.by_mail, {_IS_FIRST}
), counted_once AS (
  SELECT *, {_is_first_of_address("is_hard", "bounce = 'hard'")} AS is_first_hard,
         {_is_first_of_address("has_complained", "complained_at IS NOT NULL")} AS complained
  FROM marked
), judged AS (
  SELECT *, is_first_hard AND NOT is_refused AS hard_bounced, is_first_hard AND is_refused AS refused,
         complained AND by_mail AS complained_by_mail
  FROM counted_once
), appended AS ({append_from("judged")})
SELECT * FROM judged
"""  # noqa: S608 -- constants of this module
