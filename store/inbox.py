"""Messages that wait in the inbox until a page or an app takes them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from msgspec import Struct, convert, json
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from domain.campaign.plan import MessagePriority
from domain.people.identity import Identity
from domain.sending.caps import TRANSACTIONAL, CapRule, CountedMessage
from domain.sending.holds import Hold
from domain.sending.inbox import SURVEY, InboxState
from domain.surveys.survey import Survey
from store.campaigns import REGISTRY_LOCK
from store.database import Connection
from store.holds import HOLDS
from store.ledger import CAPS, LEDGER

# Reactions may arrive late, and results of surveys are read after the end.
LIFETIME: Final = timedelta(days=30)
# So many are deleted in one transaction.
PAGE: Final = 10_000
# The notices, written by triggers: `p:` with a profile to which something was added or withdrawn, else what
# concerns many: `c:` with a campaign, `h:` with a group on hold, or `d:` with a kind of document.
NOTICES: Final = "sojourn_inbox"
# The messages of a person that wait or are given at a time, so that each read is bounded: the newest.
MAX_KEPT: Final = 100
# The latest times at which a message was shown that are kept.
MAX_SHOWS: Final = 100

# A fallback that may have been sent replaces the messages before it.
_HAS_FOLLOWER = """
EXISTS (SELECT FROM messages AS follower
        WHERE follower.journey_id = messages.journey_id
          AND follower.fallback_of = COALESCE(messages.fallback_of, messages.id)
          AND follower.state IN ('sending', 'sent', 'unknown') AND follower.reserved_at > messages.reserved_at)
"""
# Why a message in the inbox is not there for its person any more, or for now: an expression for statements that read
# `inbox`, `messages`, `journeys` and `campaigns`; NULL for one that is. Nothing is written to withdraw it, so nothing
# can be forgotten, and a campaign that is resumed shows all of it again. Only newer messages displace one for good.
WITHDRAWN: Final = f"""
CASE WHEN journeys.state = 'exited' THEN 'journey_ended'
     WHEN journeys.campaign_version = ANY(campaigns.exiting) THEN 'campaign_stopped'
     WHEN EXISTS (SELECT FROM conversions
                  WHERE conversions.journey_id = journeys.id AND conversions.recorded_at > messages.reserved_at)
     THEN 'goal'
     WHEN {_HAS_FOLLOWER} THEN 'fallback'
     WHEN journeys.account_id IS NOT NULL AND NOT EXISTS (
       SELECT FROM account_members AS member
       WHERE member.account_id = journeys.account_id AND member.profile_id = messages.profile_id AND is_member)
     THEN 'left_account'
     WHEN inbox.displaced_at IS NOT NULL THEN 'displaced'
     WHEN campaigns.state = 'paused' THEN 'campaign_paused' END
"""  # noqa: S608 -- a constant of this module
# Without their contents: most that read them send none. One row for each person, in the order of the statement's
# `asked`.
_MESSAGES = f"""
JOIN LATERAL (
  SELECT json_agg(json_build_object(
    'message_id', messages.id, 'seq', inbox.seq, 'kind', inbox.kind, 'placement', placement,
    'priority', inbox.priority, 'every', every, 'size', size, 'expires_at', inbox.expires_at, 'given_at', given_at,
    'shows', shows, 'shown_at', opened_at, 'clicked_at', clicked_at, 'dismissed_at', dismissed_at,
    'completed_at', completed_at, 'channel', channel, 'category', category, 'step_priority', messages.priority,
    'campaign_key', journeys.campaign_key, 'campaign_version', journeys.campaign_version))::text AS messages
  FROM (
    SELECT message_id, seq, kind, placement, priority, every, size, expires_at, shows, completed_at, displaced_at
    FROM inbox WHERE profile_id = profiles.id AND expires_at > asked.at AND displaced_at IS NULL
    ORDER BY seq DESC LIMIT {MAX_KEPT}
  ) AS inbox
  JOIN messages ON messages.id = inbox.message_id
  JOIN journeys ON journeys.id = messages.journey_id
  JOIN campaigns ON campaigns.key = journeys.campaign_key
  WHERE messages.profile_id = profiles.id
    AND ({WITHDRAWN}) IS NULL
) AS found ON found.messages IS NOT NULL
"""  # noqa: S608 -- a constant of this module
_PERSON = f"""
profiles.id AS profile_id, profiles.traits, profiles.context, profiles.consent, profiles.suppressed,
profiles.preferences, {HOLDS.replace("%(at)s", "asked.at")} AS holds,
(SELECT revision FROM registry) AS registry_revision, found.messages
"""  # noqa: S608 -- constants of the store
_READ = f"""
SELECT asked.number, {_PERSON}
FROM unnest(%(kinds)s::text[], %(values)s::text[], %(at)s::timestamptz[])
     WITH ORDINALITY AS asked (kind, value, at, number)
JOIN identities ON identities.kind = asked.kind AND identities.value = asked.value
JOIN profiles ON profiles.id = identities.profile_id {_MESSAGES}
WHERE asked.kind = 'user' OR profiles.user_id IS NULL
"""  # noqa: S608 -- constants of the store
_READ_LOCKED = f"""
SELECT {_PERSON}, {LEDGER} AS ledger, COALESCE(caps.rules, '[]') AS rules
FROM (SELECT %(at)s::timestamptz AS at) AS asked CROSS JOIN profiles {CAPS} {_MESSAGES}
WHERE profiles.id = %(profile_id)s
"""  # noqa: S608 -- constants of the store

# Exits and fallbacks wait meanwhile, also exits of accounts, which other people cause.
_WAITING = """
SELECT {column} FROM inbox JOIN messages ON messages.id = inbox.message_id
WHERE inbox.profile_id = %(profile_id)s AND inbox.expires_at > %(at)s AND given_at IS NULL AND displaced_at IS NULL
"""
_LOCK_JOURNEYS = f"""
SELECT id FROM journeys WHERE id IN ({_WAITING.format(column="messages.journey_id")}) ORDER BY id FOR SHARE
"""  # noqa: S608 -- a constant of this module
_LOCK_MESSAGES = f"""
SELECT id FROM messages WHERE id IN ({_WAITING.format(column="messages.id")}) ORDER BY id FOR NO KEY UPDATE
"""  # noqa: S608 -- a constant of this module

# Those that are over go first, for which a pause does not count, then marketing, the lowest priority and the oldest. A
# row that another transaction has locked is left to the next message.
_DISPLACE = f"""
WITH kept AS MATERIALIZED (
  SELECT message_id FROM inbox
  WHERE profile_id = %(profile_id)s AND expires_at > clock_timestamp() + clock_ahead() AND displaced_at IS NULL
), surplus AS MATERIALIZED (
  SELECT inbox.message_id
  FROM inbox
  JOIN messages ON messages.id = inbox.message_id
  JOIN journeys ON journeys.id = messages.journey_id
  JOIN campaigns ON campaigns.key = journeys.campaign_key
  WHERE inbox.message_id IN (SELECT message_id FROM kept) AND (SELECT count(*) FROM kept) > %(most)s
  ORDER BY (COALESCE({WITHDRAWN}, 'campaign_paused') = 'campaign_paused'
            AND COALESCE(completed_at, dismissed_at) IS NULL) DESC,
           category = '{TRANSACTIONAL}' DESC, inbox.priority DESC, inbox.seq DESC
  OFFSET %(most)s
), free AS (
  SELECT message_id FROM inbox WHERE message_id IN (SELECT message_id FROM surplus) FOR UPDATE SKIP LOCKED
)
UPDATE inbox SET displaced_at = clock_timestamp() + clock_ahead() FROM free WHERE inbox.message_id = free.message_id
"""  # noqa: S608 -- a constant of this module


class InboxRow(InboxState, frozen=True, kw_only=True):
    """A message in the inbox that is not withdrawn, as read."""

    category: str
    step_priority: MessagePriority
    campaign_key: str
    campaign_version: int


class InboxFacts(Struct, frozen=True, kw_only=True):
    """A person and their inbox; `ledger` and `rules` are read under the lock only."""

    profile_id: UUID
    traits: dict[str, Any]
    context: dict[str, Any]
    consent: dict[str, bool]
    suppressed: dict[str, str | None]
    preferences: dict[str, Any]
    holds: list[Hold]
    registry_revision: int
    messages: list[InboxRow]
    ledger: list[CountedMessage] = []
    rules: list[CapRule] = []


_ROWS = json.Decoder(list[InboxRow])


def _as_facts(row: DictRow) -> InboxFacts:
    return convert({**row, "messages": _ROWS.decode(row["messages"])}, InboxFacts)


async def insert(connection: Connection, message_id: UUID, rendered: Mapping[str, Any]) -> None:
    """Put a message that is settled as sent into the inbox of its person.

    It displaces those beyond MAX_KEPT. `rendered` has its kind, placement, priority and content.
    """
    cursor = await connection.execute(
        """
        INSERT INTO inbox (message_id, profile_id, journey_id, kind, placement, priority, content, expires_at)
        SELECT id, profile_id, journey_id, %(kind)s, %(placement)s, %(priority)s, %(content)s, expires_at
        FROM messages WHERE id = %(id)s RETURNING profile_id
        """,
        {**rendered, "content": Jsonb(rendered["content"]), "id": message_id},
    )
    for row in await cursor.fetchall():
        await connection.execute(_DISPLACE, {"profile_id": row["profile_id"], "most": MAX_KEPT})


async def read(connection: Connection, asked: Sequence[tuple[Identity, datetime]]) -> list[InboxFacts | None]:
    """Return what people have in their inboxes at these instants.

    None without a message, or a person. An anonymous id names its person as long as that has no user id.
    """
    parameters = {
        "kinds": [who.kind for who, _ in asked],
        "values": [who.value for who, _ in asked],
        "at": [at for _, at in asked],
    }
    cursor = await connection.execute(_READ, parameters)
    found = {row["number"]: _as_facts(row) async for row in cursor}
    return [found.get(number) for number in range(1, len(asked) + 1)]


async def lock_and_read(connection: Connection, profile_id: UUID, at: datetime) -> InboxFacts | None:
    """Lock campaigns, person, journeys and waiting messages, in order; read them.

    The facts are a statement of their own, whose snapshot is taken after the locks. In a pipeline this is one round
    trip. None without a message, or a person.
    """
    parameters = {"profile_id": profile_id, "at": at}
    await connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", (REGISTRY_LOCK,))
    await connection.execute("SELECT id FROM profiles WHERE id = %(profile_id)s FOR NO KEY UPDATE", parameters)
    await connection.execute(_LOCK_JOURNEYS, parameters)
    await connection.execute(_LOCK_MESSAGES, parameters)
    cursor = await connection.execute(_READ_LOCKED, parameters)
    row = await cursor.fetchone()
    return None if row is None else _as_facts(row)


async def load_contents(connection: Connection, message_ids: Collection[UUID]) -> dict[UUID, dict[str, Any]]:
    """Return the contents of messages by their ids. Deleted ones are missing."""
    cursor = await connection.execute(
        "SELECT message_id, content FROM inbox WHERE message_id = ANY(%s)", (list(message_ids),)
    )
    return {row["message_id"]: row["content"] async for row in cursor}


async def give(connection: Connection, given: Mapping[UUID, bool], at: datetime) -> dict[UUID, int]:
    """Give locked messages to their person in this order; return their places.

    `given` says of each whether caps count it.
    """
    parameters = {"ids": list(given), "counted": list(given.values()), "at": at}
    await connection.execute(
        """
        UPDATE messages SET given_at = %(at)s, is_counted = item.is_counted
        FROM unnest(%(ids)s::uuid[], %(counted)s::boolean[]) AS item (id, is_counted)
        WHERE messages.id = item.id
        """,
        parameters,
    )
    # One statement for all would number them in any order. In a pipeline these are one round trip.
    place = "UPDATE inbox SET seq = DEFAULT WHERE message_id = %s RETURNING seq"
    cursors = {id: await connection.execute(place, (id,)) for id in given}
    rows = {id: await cursor.fetchone() for id, cursor in cursors.items()}
    return {id: row["seq"] for id, row in rows.items() if row is not None}


async def find_given(connection: Connection, profile_id: UUID, message_ids: Collection[UUID]) -> frozenset[UUID]:
    """Return those of these messages that were given to a person."""
    cursor = await connection.execute(
        """
        SELECT message_id FROM inbox JOIN messages ON messages.id = message_id
        WHERE message_id = ANY(%s) AND inbox.profile_id = %s AND given_at IS NOT NULL
        """,
        (list(message_ids), profile_id),
    )
    return frozenset([row["message_id"] async for row in cursor])


async def find_surveys(connection: Connection, profile_id: UUID, message_ids: Collection[UUID]) -> dict[UUID, Survey]:
    """Return the questions of those of these messages that were given to a person."""
    cursor = await connection.execute(
        """
        SELECT message_id, content FROM inbox JOIN messages ON messages.id = message_id
        WHERE message_id = ANY(%s) AND inbox.profile_id = %s AND given_at IS NOT NULL AND kind = %s
        """,
        (list(message_ids), profile_id, SURVEY),
    )
    return {row["message_id"]: convert(row["content"], Survey) async for row in cursor}


class Reactions(Struct, frozen=True):
    """Reports about a message that the inbox keeps, beside those of the ledger."""

    id: UUID
    shows: Sequence[datetime] = ()
    completed_at: datetime | None = None


async def record(connection: Connection, reactions: Sequence[Reactions]) -> None:
    """Record reactions, one item for each message. Requires the locked messages."""
    await connection.execute(
        """
        UPDATE inbox
        SET shows = ARRAY(SELECT at FROM unnest(inbox.shows || item.shows) AS at ORDER BY at DESC LIMIT %s),
            completed_at = least(inbox.completed_at, item.completed_at)
        FROM jsonb_to_recordset(%s) AS item (id uuid, shows timestamptz[], completed_at timestamptz)
        WHERE message_id = item.id
        """,
        (MAX_SHOWS, Jsonb(reactions)),
    )


async def forget_expired(connection: Connection, limit: int = PAGE) -> bool:
    """Delete a page of messages that expired long ago.

    Return whether there may be more. The ledger keeps the messages themselves. A row that another transaction has
    locked is left to the next round.
    """
    cursor = await connection.execute(
        """
        DELETE FROM inbox WHERE message_id = ANY(ARRAY(
          SELECT message_id FROM inbox WHERE expires_at < clock_timestamp() + clock_ahead() - %s
          ORDER BY expires_at LIMIT %s FOR UPDATE SKIP LOCKED))
        """,
        (LIFETIME, limit),
    )
    return cursor.rowcount == limit
