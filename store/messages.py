"""The send ledger: every message, from its reservation to its outcome."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType, convert
from msgspec.structs import asdict
from psycopg.types.json import Jsonb

from domain.campaign.life import CampaignState
from domain.channels.kinds import CHANNELS
from domain.journey.state import StoredState
from domain.people.account_view import NO_ACCOUNT, AccountView
from domain.people.device_addresses import DeviceAddress
from domain.people.learned import LearnedRow
from domain.people.segments.definition import Memberships
from domain.people.segments.stages import StagedFields
from domain.sending.circuit import CircuitView
from domain.sending.claim import POSTPONING_REASONS, MessageState
from domain.sending.deliverability import ProviderPause
from domain.sending.fallbacks import EarlierMessage
from domain.sending.holds import Hold
from domain.sending.ledger_marks import MARK_TIMES, LedgerMarks
from domain.sending.policy import Reservation
from store import addresses, inbox, message_chains, survey_answers, tracked_links
from store.addresses import REFUSED_OF_PROFILE
from store.campaigns import REGISTRY_LOCK
from store.circuits import BROKEN, CIRCUIT
from store.database import Connection
from store.delivery_counts import DOMAIN, OUTCOMES, SENT_AT, append_from
from store.device_addresses import DEVICES
from store.holds import HOLDS
from store.message_chains import VERDICT_SECONDS
from store.profile_states import MEMBERSHIPS
from store.profiles import LEARNED
from store.provider_pauses import PAUSES
from store.transaction_metrics import Metric

# Why a message cannot be claimed: its recipient was erased, or just merged into another one, which is worth a retry.
Absence = Literal["gone", "moved"]


class Claimed(Struct, StagedFields, frozen=True):
    """A message with its journey and its recipient, read under the locks of all three.

    `account_id` is that of an account's journey, of which the recipient may be a member with a role. `topic` is the
    category of the message, if it is one. `campaign_version` is that of the message: a retry may be of another than its
    journey. `is_exiting` and `ended_recorded_at` are the journey's. `before` are the messages that a fallback follows,
    and in `verdict_seconds` what was opened of them is judged.
    """

    id: UUID
    state: MessageState
    reason: str | None
    attempts: int
    channel: str
    category: str
    template: str
    expires_at: datetime
    first_claimed_at: datetime | None
    provider: str | None
    cost: int | None
    first_handed_over_at: datetime | None
    circuit: CircuitView | None
    broken: dict[str, datetime]
    pauses: list[ProviderPause]
    journey_id: UUID
    journey_state: StoredState
    campaign_key: str
    campaign_version: int
    journey_version: int
    retry_of: UUID | None
    is_exiting: bool
    ended_recorded_at: datetime | None
    campaign_state: CampaignState
    entry: dict[str, Any]
    saved: dict[str, Any]
    answers: dict[str, Any]
    profile_id: UUID
    user_id: str | None
    traits: dict[str, Any]
    context: dict[str, Any]
    addresses: dict[str, str]
    consent: dict[str, bool]
    suppressed: dict[str, str | None]
    refused_addresses: dict[str, dict[str, str | None]]
    stated_stage: str | None
    counted: dict[str, Any]
    memberships: Memberships
    learned: LearnedRow | None
    registry_revision: int
    step: str
    account_id: str | None
    is_member: bool
    role: str | None
    holds: list[Hold]
    devices: list[DeviceAddress]
    preferences: dict[str, Any]
    verdict_seconds: float | None
    computed: Mapping[str, Any] = {}
    judged_stage: str | UnsetType | None = UNSET
    account: AccountView = NO_ACCOUNT
    topic: str | None = None
    before: Sequence[EarlierMessage] = ()


# Those that wait for their person count from when they are given.
_UNCOUNTED = [name for name, kind in CHANNELS.items() if kind.waits_for_person]


async def reserve(connection: Connection, reservations: Sequence[Reservation]) -> None:
    """Insert granted messages, or grant postponed ones and cancelled retries anew.

    A message in another state stays as it is, which the attempt to send it will find.
    """
    await connection.execute(
        """
        INSERT INTO messages (id, journey_id, profile_id, campaign_key, step, visit, channel, category, priority,
                              template, at, expires_at, provider, retry_of, retry_version, fallback_of, cost,
                              currency, charges, is_counted)
        SELECT id, journey_id, profile_id, campaign_key, step, visit, channel, category, priority, template, at,
               expires_at, provider, retry_of, retry_version, fallback_of, cost, currency, charges,
               NOT channel = ANY(%s)
        FROM jsonb_to_recordset(%s) AS item (
          id uuid, journey_id uuid, profile_id uuid, campaign_key text, step text, visit int, channel text,
          category text, priority text, template text, at timestamptz, expires_at timestamptz,
          provider text, retry_of uuid, retry_version int, fallback_of uuid, cost bigint, currency text, charges jsonb)
        ORDER BY id
        ON CONFLICT (id) DO UPDATE
        SET profile_id = EXCLUDED.profile_id, channel = EXCLUDED.channel, category = EXCLUDED.category,
            priority = EXCLUDED.priority, template = EXCLUDED.template, at = EXCLUDED.at,
            expires_at = EXCLUDED.expires_at, provider = EXCLUDED.provider,
            is_counted = EXCLUDED.is_counted,
            cost = EXCLUDED.cost, currency = EXCLUDED.currency, charges = EXCLUDED.charges,
            retry_version = EXCLUDED.retry_version, state = 'reserved', reason = NULL, detail = NULL,
            reserved_at = clock_timestamp(), claimed_at = NULL, first_claimed_at = NULL,
            first_handed_over_at = NULL, settled_at = NULL
        WHERE messages.state = 'cancelled' AND (messages.reason = ANY(%s) OR messages.retry_of IS NOT NULL)
        """,
        (_UNCOUNTED, Jsonb(reservations), list(POSTPONING_REASONS)),
    )


async def find_open(connection: Connection, journey_id: UUID, step: str, visit: int) -> dict[UUID, str | None]:
    """Return the open messages of a visit, each with its provider.

    Retries are sent by their own workflows.
    """
    cursor = await connection.execute(
        """
        SELECT id, provider FROM messages
        WHERE journey_id = %s AND step = %s AND visit = %s AND state IN ('reserved', 'sending') AND retry_of IS NULL
        ORDER BY id
        """,
        (journey_id, step, visit),
    )
    return {row["id"]: row["provider"] async for row in cursor}


_OF_MESSAGE = """
SELECT journeys.id FROM journeys JOIN messages ON messages.journey_id = journeys.id WHERE messages.id = %s
"""
_LOCK_JOURNEY = f"{_OF_MESSAGE} FOR NO KEY UPDATE OF journeys"
_SHARE_JOURNEY = f"{_OF_MESSAGE} FOR SHARE OF journeys"


async def lock_for_claim(
    connection: Connection, message_id: UUID, at: datetime, *, writes_journey: bool
) -> Claimed | Absence:
    """Lock campaigns, recipient, addresses, journey and message, in order; read them.

    Campaigns are locked shared. The locks settle the refusals of recipient and address, and the holds at `at`: a change
    waits for this claim, or is seen by it. A claim that does not write the journey shares it with others, as for the
    members of an account; its end waits for all of them.
    """
    await connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", (REGISTRY_LOCK,))
    recipient = await connection.execute(
        """
        SELECT profiles.id FROM profiles JOIN messages ON messages.profile_id = profiles.id
        WHERE messages.id = %s FOR SHARE OF profiles
        """,
        (message_id,),
    )
    await addresses.lock_of_message(connection, message_id)
    await connection.execute(_LOCK_JOURNEY if writes_journey else _SHARE_JOURNEY, (message_id,))
    chain = await message_chains.lock_chain(connection, message_id)
    cursor = await connection.execute(
        f"""
        SELECT messages.id, messages.state, messages.reason, attempts, channel, category, template, expires_at,
               first_claimed_at, messages.provider, cost, first_handed_over_at, {CIRCUIT} AS circuit,
               {BROKEN} AS broken, {PAUSES} AS pauses, messages.journey_id, journeys.campaign_key,
               journeys.campaign_version AS journey_version,
               COALESCE(retry_version, campaign_version) AS campaign_version, retry_of, journeys.entry,
               journeys.account_id, journeys.saved, {survey_answers.ANSWERS} AS answers,
               CASE WHEN journeys.state = 'active' AND campaign_version = ANY(exiting) THEN 'exited'
                    ELSE journeys.state END AS journey_state,
               campaign_version = ANY(exiting) AS is_exiting, ended_recorded_at,
               campaigns.state AS campaign_state,
               profiles.id AS profile_id, profiles.user_id, traits, profiles.context, profiles.addresses, consent,
               suppressed, preferences, {REFUSED_OF_PROFILE} AS refused_addresses,
               profiles.stage AS stated_stage, {MEMBERSHIPS} AS memberships,
               COALESCE((SELECT state FROM profile_states WHERE profile_id = profiles.id), '{{}}') AS counted,
               {LEARNED} AS learned,
               (SELECT revision FROM registry) AS registry_revision,
               messages.step, COALESCE(is_member, false) AS is_member, role, {HOLDS} AS holds,
               {DEVICES} AS devices, {VERDICT_SECONDS} AS verdict_seconds
        FROM messages
        JOIN journeys ON journeys.id = messages.journey_id
        JOIN profiles ON profiles.id = messages.profile_id
        JOIN campaigns ON campaigns.key = journeys.campaign_key
        LEFT JOIN account_members AS member
          ON member.account_id = journeys.account_id AND member.profile_id = profiles.id AND is_member
        WHERE messages.id = %(id)s
        """,  # noqa: S608 -- a constant of the store
        {"id": message_id, "at": at},
    )
    locked = await recipient.fetchone()
    row = await cursor.fetchone()
    if row is None:
        return "gone"
    if locked is None or locked["id"] != row["profile_id"]:
        return "moved"
    read = {
        "holds": convert(row["holds"], list[Hold]),
        "devices": convert(row["devices"], list[DeviceAddress]),
        "circuit": convert(row["circuit"], CircuitView | None),
        "pauses": convert(row["pauses"], list[ProviderPause]),
        "before": [EarlierMessage(**one) async for one in chain if one["id"] != message_id],
    }
    return Claimed(**{**row, **read})


async def mark_sending(
    connection: Connection, message_id: UUID, at: datetime, provider: str, address: str | None
) -> None:
    """Claim the message: from now on the provider may have it, and caps count it.

    They count it from `at`, by the journey's clock. `address` is its normalised destination, which reports about the
    message concern.
    """
    await connection.execute(
        """
        UPDATE messages
        SET state = 'sending', at = greatest(at, %s), claimed_at = clock_timestamp(), attempts = attempts + 1,
            address = %s, first_claimed_at = COALESCE(first_claimed_at, %s), provider = %s,
            first_handed_over_at = COALESCE(first_handed_over_at, %s)
        WHERE id = %s
        """,
        (at, address, at, provider, at, message_id),
    )


# Outcomes that reports alone tell.
_NOT_REPORTED = ", ".join(f"false AS {name}" for name in (*OUTCOMES, "has_hardened") if name != "sent")


class Settlement(Struct, frozen=True):
    """The state of a message, and whether this attempt has written it."""

    state: MessageState
    is_written: bool


async def settle(
    connection: Connection,
    message_id: UUID,
    state: MessageState,
    *,
    attempt: int,
    reason: str | None = None,
    detail: str | None = None,
    provider_id: str | None = None,
) -> Settlement:
    """Write the outcome, or `reserved` if certainly not delivered; return the state.

    `attempt` is the number of the last claim that the caller knows of. A timed-out attempt may report late: it may
    overwrite `unknown`, and `sent` may also overwrite a newer claim. Anything else is ignored.
    """
    cursor = await connection.execute(
        _SETTLE,
        {
            "id": message_id,
            "attempt": attempt,
            "state": state,
            "reason": reason,
            "detail": detail,
            "provider_id": provider_id,
        },
    )
    if (row := await cursor.fetchone()) is not None:
        if state != "reserved":
            connection.metrics.add(Metric.SETTLED, row["campaign_key"], row["channel"], row["state"], reason or "")
        if row["sent"] and row["provider"] is not None:
            connection.metrics.add(Metric.DELIVERABILITY, row["provider"], row["domain"], "sent")
        return Settlement(row["state"], is_written=True)
    cursor = await connection.execute("SELECT state FROM messages WHERE id = %s", (message_id,))
    row = await cursor.fetchone()
    return Settlement(row["state"] if row else state, is_written=False)


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


_SETTLE = f"""
WITH settled AS (
  UPDATE messages
  SET state = %(state)s, reason = %(reason)s, detail = %(detail)s, provider_id = %(provider_id)s,
      settled_at = CASE WHEN %(state)s = 'reserved' THEN NULL ELSE clock_timestamp() END,
      -- It was certainly not handed over.
      first_handed_over_at = CASE WHEN %(state)s = 'reserved' THEN NULL ELSE first_handed_over_at END
  WHERE id = %(id)s AND CASE state
    WHEN 'unknown' THEN %(state)s IN ('sent', 'failed')
    WHEN 'reserved' THEN attempts = %(attempt)s OR %(state)s = 'sent'
    WHEN 'sending' THEN attempts = %(attempt)s OR %(state)s = 'sent'
    ELSE false END
  RETURNING state, campaign_key, channel, provider, {DOMAIN} AS domain, {SENT_AT} AS sent_at,
            state = 'sent' AS sent, {_NOT_REPORTED}
), appended AS ({append_from("settled")})
SELECT * FROM settled
"""  # noqa: S608 -- constants of the store
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
