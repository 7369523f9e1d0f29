"""Facts for the decisions of steps, read under the locks of person and journey."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct, convert

from domain.journey.records import Journey
from domain.journey.requests import AuthorizeRequest, MembersRequest
from domain.journey.retry_decisions import RetryFacts
from domain.journey.step_facts import GateFacts, MemberFacts, PageFacts, StepFacts
from domain.sending.claim import POSTPONING_REASONS
from domain.sending.retries import RetryRequest
from store import addresses
from store.addresses import REFUSED_OF_PROFILE
from store.arms import IS_ARM
from store.campaigns import REGISTRY_LOCK
from store.circuits import BROKEN
from store.database import Connection
from store.device_addresses import DEVICES
from store.holds import HOLDS
from store.ledger import CAPS, LEDGER
from store.message_claims import Absence
from store.profile_states import MEMBERSHIPS
from store.profiles import LEARNED
from store.provider_pauses import PAUSES
from store.single_messages import ASKED_ADDRESS, SINGLE
from store.survey_answers import ANSWERS

_LOCK_PERSON = """
SELECT profiles.id FROM profiles JOIN journeys ON journeys.profile_id = profiles.id
WHERE journeys.id = %s FOR NO KEY UPDATE OF profiles
"""
# The person as the gate sees them: an expression for statements that read `profiles` and `caps`.
_RECIPIENT = f"""
profiles.traits, profiles.context, profiles.consent, profiles.suppressed, profiles.preferences,
{REFUSED_OF_PROFILE} AS refused_addresses, {HOLDS} AS holds, {DEVICES} AS devices,
COALESCE(profiles.bucket, profiles.id) AS bucket,
{LEDGER} AS ledger
"""
# The journey and its campaign as the gate sees them, with the answer to a repeated request.
_JOURNEY = f"""
CASE WHEN is_stopped THEN 'exited' ELSE journeys.state END AS journey_state,
CASE WHEN is_stopped THEN 'campaign stopped' ELSE journeys.ended_by END AS ended_by,
journeys.campaign_key, journeys.campaign_version, campaigns.state AS campaign_state, {SINGLE} AS single,
{ASKED_ADDRESS} AS asked_address,
(SELECT answer FROM decisions WHERE id = %(decision_id)s) AS answered,
(SELECT at FROM decisions WHERE id = %(asked_before)s AND reason = 'campaign_paused') AS held_at,
COALESCE(caps.rules, '[]') AS rules, {BROKEN} AS broken, {PAUSES} AS pauses
"""  # noqa: S608 -- a constant of the store
_FROM_JOURNEY = """
FROM journeys
JOIN campaigns ON campaigns.key = journeys.campaign_key
CROSS JOIN LATERAL (SELECT journeys.state = 'active' AND campaign_version = ANY(exiting) AS is_stopped) AS stopped
"""
_GATE_FACTS = f"""
SELECT journeys.profile_id, {_JOURNEY}, {_RECIPIENT}, (SELECT revision FROM registry) AS registry_revision
{_FROM_JOURNEY}
JOIN profiles ON profiles.id = journeys.profile_id
{CAPS}
WHERE journeys.id = %(journey_id)s
"""  # noqa: S608 -- constants of the store
# Those of a journey that would begin now, whose campaign has no row of it yet.
_ENTRY_GATE_FACTS = f"""
SELECT profiles.id AS profile_id, 'active' AS journey_state, NULL AS ended_by, campaigns.key AS campaign_key,
       %(version)s::int AS campaign_version, campaigns.state AS campaign_state, NULL AS held_at,
       COALESCE(caps.rules, '[]') AS rules, {BROKEN} AS broken, {PAUSES} AS pauses, {_RECIPIENT},
       (SELECT revision FROM registry) AS registry_revision
FROM profiles JOIN campaigns ON campaigns.key = %(campaign)s {CAPS}
WHERE profiles.id = %(profile_id)s
"""  # noqa: S608 -- constants of the store
_PAGE_FACTS = f"""
SELECT journeys.profile_id, {_JOURNEY}, (SELECT revision FROM registry) AS registry_revision
{_FROM_JOURNEY} {CAPS} WHERE journeys.id = %(journey_id)s
"""  # noqa: S608 -- constants of the store
_RETRY_FACTS = f"""
SELECT failed.profile_id, failed.journey_id, failed.step, failed.visit, failed.expires_at, failed.retried_by,
       campaigns.running_version, journeys.account_id, campaign_version = ANY(exiting) AS is_exiting,
       journeys.ended_recorded_at, {_JOURNEY}, {_RECIPIENT}, (SELECT revision FROM registry) AS registry_revision
{_FROM_JOURNEY}
JOIN messages AS failed ON failed.journey_id = journeys.id
JOIN profiles ON profiles.id = failed.profile_id
{CAPS}
WHERE failed.id = %(message_id)s
"""  # noqa: S608 -- constants of the store
# A member whose role changed or who left since the page was read is not among them any more.
_MEMBER_FACTS = f"""
SELECT profiles.id AS profile_id, {_RECIPIENT},
       EXISTS (SELECT FROM decisions WHERE decisions.id = item.refusal_id)
       OR EXISTS (SELECT FROM messages
                  WHERE messages.journey_id = journeys.id AND messages.step = %(step)s AND messages.visit = %(visit)s
                    AND messages.profile_id = profiles.id
                    AND NOT (messages.state = 'cancelled' AND messages.reason = ANY(%(postponing)s))
                 ) AS is_decided
FROM unnest(%(profile_ids)s::uuid[], %(refusal_ids)s::uuid[]) AS item (profile_id, refusal_id)
JOIN profiles ON profiles.id = item.profile_id
JOIN journeys ON journeys.id = %(journey_id)s
JOIN account_members AS member
  ON member.account_id = journeys.account_id AND member.profile_id = profiles.id AND is_member AND role = %(role)s
{CAPS}
ORDER BY profiles.id
"""  # noqa: S608 -- constants of the store
# The messages of a journey, a fallback with the message that it follows: its step is that of the other.
_WITH_FIRST = """
FROM messages JOIN messages AS first ON first.id = COALESCE(messages.fallback_of, messages.id)
WHERE messages.journey_id = journeys.id
"""
_STEP_FACTS = f"""
SELECT journeys.profile_id, journeys.account_id, campaign_key, campaign_version, entry, entered_at, saved,
       CASE WHEN journeys.state = 'active' AND campaign_version = ANY(exiting) THEN 'exited'
            ELSE journeys.state END AS journey_state,
       user_id, traits, profiles.context, consent AS consent_given, suppressed, preferences,
       {REFUSED_OF_PROFILE} AS refused_addresses,
       profiles.stage AS stated_stage, profiles.created_at, COALESCE(profiles.bucket, profiles.id) AS bucket,
       (SELECT min(value) FROM identities
        WHERE identities.profile_id = profiles.id AND kind = 'anonymous') AS anonymous_id,
       COALESCE((SELECT jsonb_object_agg(first.step, CASE WHEN messages.opened_at IS NOT NULL THEN 'opened'
                                                          WHEN messages.state = 'sent' THEN 'ignored'
                                                          ELSE messages.state END
                                            -- Of a message to many members, and its fallbacks, the one that went
                                            -- furthest.
                                            ORDER BY first.visit, messages.opened_at IS NOT NULL,
                                                     messages.state = 'sent')
                 {_WITH_FIRST}), '{{}}') AS messages,
       COALESCE((SELECT jsonb_strip_nulls(jsonb_object_agg(
                   first.step, CASE WHEN messages.clicked_at IS NOT NULL THEN COALESCE(messages.clicked_link, '') END
                   -- The last visit; of a message to many members, and its fallbacks, the earliest click.
                   ORDER BY first.visit, messages.clicked_at DESC))
                 {_WITH_FIRST}), '{{}}') AS clicks,
       {ANSWERS} AS answers,
       COALESCE((SELECT jsonb_object_agg(step, outcome ORDER BY recorded_at) FROM decisions
                 WHERE decisions.journey_id = journeys.id AND {IS_ARM}), '{{}}') AS arms,
       (SELECT answer FROM decisions WHERE id = %(decision_id)s) AS answered,
       COALESCE((SELECT state FROM profile_states WHERE profile_id = profiles.id), '{{}}') AS counted,
       {MEMBERSHIPS} AS memberships, {LEARNED} AS learned,
       (SELECT revision FROM registry) AS registry_revision,
       CASE WHEN %(with_stamps)s THEN said -> 'traits' END AS said_traits
FROM journeys
JOIN profiles ON profiles.id = journeys.profile_id
JOIN campaigns ON campaigns.key = journeys.campaign_key
WHERE journeys.id = %(journey_id)s
"""  # noqa: S608 -- a constant of the store


async def read_gate_facts(connection: Connection, request: AuthorizeRequest) -> GateFacts | None:
    """Lock the recipient's ledger, addresses and journey; read the gate's facts.

    In a pipeline this is one round trip. A journey whose version is being ended has exited, though its row may not say
    so yet.

    A message that may still be handed over counts as if it were sent now, however long ago it was reserved; after its
    expiry, as if it had been sent then, since a slower clock may still send it. None if the recipient was just
    merged into another profile, or the journey does not exist; the first is worth a retry.
    """
    parameters = {
        "decision_id": request.decision_id,
        "asked_before": request.previous_decision_id,
        "at": request.at,
    }
    row = await _read_locked(connection, request.journey_id, _GATE_FACTS, parameters, locks_addresses=True)
    return None if row is None else convert(row, GateFacts)


async def read_entry_gate_facts(connection: Connection, journey: Journey, at: datetime) -> GateFacts | None:
    """Read what the gate would see of a journey that began now, without locks."""
    parameters = {
        "profile_id": journey.profile_id,
        "campaign": journey.campaign_key,
        "version": journey.campaign_version,
        "at": at,
    }
    row = await (await connection.execute(_ENTRY_GATE_FACTS, parameters)).fetchone()
    return None if row is None else convert(row, GateFacts)


async def read_retry_facts(connection: Connection, request: RetryRequest) -> RetryFacts | Absence:
    """Lock the recipient's ledger, addresses and journey; read the facts for a retry.

    In a pipeline this is one round trip.
    """
    await connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", (REGISTRY_LOCK,))
    person = await connection.execute(
        """
        SELECT profiles.id FROM profiles JOIN messages ON messages.profile_id = profiles.id
        WHERE messages.id = %s FOR NO KEY UPDATE OF profiles
        """,
        (request.message_id,),
    )
    await addresses.lock_of_message(connection, request.message_id)
    await connection.execute(
        """
        SELECT journeys.id FROM journeys JOIN messages ON messages.journey_id = journeys.id
        WHERE messages.id = %s FOR NO KEY UPDATE OF journeys
        """,
        (request.message_id,),
    )
    parameters = {
        "message_id": request.message_id,
        "decision_id": request.decision_id,
        "asked_before": request.previous_decision_id,
        "at": request.at,
    }
    facts = await connection.execute(_RETRY_FACTS, parameters)
    locked = await person.fetchone()
    row = await facts.fetchone()
    if row is None:
        return "gone"
    if locked is None or locked["id"] != row["profile_id"]:
        return "moved"
    return convert(row, RetryFacts)


async def read_step_facts(
    connection: Connection, journey_id: UUID, decision_id: UUID, *, with_stamps: bool
) -> StepFacts | None:
    """Lock the person and the journey; read the facts of a step.

    In a pipeline this is one round trip, which also reads the answer of an
    earlier decision, and with stamps those of the traits.

    A journey whose version is being ended has exited, though its row may not say so yet. None if there is no such
    journey, or the person was just merged into another, which is worth a retry.
    """
    parameters = {"decision_id": decision_id, "with_stamps": with_stamps}
    row = await _read_locked(connection, journey_id, _STEP_FACTS, parameters, locks_addresses=False)
    return None if row is None else StepFacts(**row)


class JourneyRef(Struct, frozen=True):
    """The version of a journey, which says to which members a step sends."""

    campaign_key: str
    campaign_version: int


async def find_version(connection: Connection, journey_id: UUID) -> JourneyRef | None:
    """Lock the campaigns, and return the version of a journey; None if there is none."""
    await connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", (REGISTRY_LOCK,))
    cursor = await connection.execute(
        "SELECT campaign_key, campaign_version FROM journeys WHERE id = %s", (journey_id,)
    )
    row = await cursor.fetchone()
    return None if row is None else JourneyRef(**row)


async def page_of_members(
    connection: Connection, journey_id: UUID, role: str, after: UUID | None, limit: int
) -> list[UUID]:
    """Return the next members of a journey's account with a role, ordered by id."""
    cursor = await connection.execute(
        """
        SELECT member.profile_id FROM journeys JOIN account_members AS member USING (account_id)
        WHERE journeys.id = %s AND is_member AND role = %s AND (%s::uuid IS NULL OR member.profile_id > %s)
        ORDER BY member.profile_id LIMIT %s
        """,
        (journey_id, role, after, after, limit),
    )
    return [row["profile_id"] async for row in cursor]


async def read_page_facts(
    connection: Connection, request: MembersRequest, role: str, profile_ids: Sequence[UUID]
) -> tuple[PageFacts, list[MemberFacts]] | None:
    """Lock members, their addresses and the journey; read the gate's facts.

    Requires the locked campaigns. In a pipeline this is one round trip. The journey's person is locked as well: a
    decision about all members is theirs. Members who left since the page was read are missing. None if the
    journey has just got another person, or does not exist; the first is worth a retry.
    """
    locked = await connection.execute(
        """
        SELECT id FROM profiles
        WHERE id = ANY(%s) OR id = (SELECT profile_id FROM journeys WHERE id = %s)
        ORDER BY id FOR NO KEY UPDATE
        """,
        (list(profile_ids), request.journey_id),
    )
    await addresses.lock_of_profiles(connection, profile_ids)
    await connection.execute("SELECT id FROM journeys WHERE id = %s FOR NO KEY UPDATE", (request.journey_id,))
    parameters = {
        "journey_id": request.journey_id,
        "decision_id": request.decision_id,
        "asked_before": request.previous_decision_id,
        "at": request.at,
        "step": request.step,
        "visit": request.visit,
        "role": role,
        "postponing": list(POSTPONING_REASONS),
        "profile_ids": list(profile_ids),
        "refusal_ids": [request.refusal_id(profile_id) for profile_id in profile_ids],
    }
    page = await connection.execute(_PAGE_FACTS, parameters)
    members = await connection.execute(_MEMBER_FACTS, parameters)
    ids = {row["id"] for row in await locked.fetchall()}
    row = await page.fetchone()
    if row is None or row["profile_id"] not in ids:
        return None
    return convert(row, PageFacts), convert(await members.fetchall(), list[MemberFacts])


async def _read_locked(
    connection: Connection, journey_id: UUID, statement: str, parameters: Mapping[str, Any], *, locks_addresses: bool
) -> dict[str, Any] | None:
    """Lock the campaigns, the person and the journey, then read the facts.

    The facts are a statement of their own, whose snapshot is taken after the locks. None if the person was just merged
    into another, or there is no such journey.
    """
    await connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", (REGISTRY_LOCK,))
    person = await connection.execute(_LOCK_PERSON, (journey_id,))
    if locks_addresses:
        await addresses.lock_of_journey(connection, journey_id)
    await connection.execute("SELECT id FROM journeys WHERE id = %s FOR NO KEY UPDATE", (journey_id,))
    facts = await connection.execute(statement, {"journey_id": journey_id, **parameters})
    locked = await person.fetchone()
    row = await facts.fetchone()
    if locked is None or row is None or locked["id"] != row["profile_id"]:
        return None
    return row
