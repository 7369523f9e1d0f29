"""Facts for the decisions of steps, read under the locks of person and journey."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from msgspec import convert

from domain.journey.requests import AuthorizeRequest
from domain.journey.step_facts import GateFacts, StepFacts
from store import addresses
from store.addresses import REFUSED_OF_PROFILE
from store.arms import IS_ARM
from store.campaigns import REGISTRY_LOCK
from store.database import Connection
from store.profiles import LEARNED

_LOCK_PERSON = """
SELECT profiles.id FROM profiles JOIN journeys ON journeys.profile_id = profiles.id
WHERE journeys.id = %s FOR NO KEY UPDATE OF profiles
"""
_GATE_FACTS = f"""
SELECT journeys.profile_id, profiles.traits, profiles.context, profiles.consent, profiles.suppressed,
       {REFUSED_OF_PROFILE} AS refused_addresses,
       CASE WHEN is_stopped THEN 'exited' ELSE journeys.state END AS journey_state,
       CASE WHEN is_stopped THEN 'campaign stopped' ELSE journeys.ended_by END AS ended_by,
       journeys.campaign_key, journeys.campaign_version, campaigns.state AS campaign_state,
       (SELECT answer FROM decisions WHERE id = %(decision_id)s) AS answered,
       (SELECT at FROM decisions WHERE id = %(asked_before)s AND outcome = 'held') AS held_at,
       (SELECT revision FROM registry) AS registry_revision,
       COALESCE(caps.rules, '[]') AS rules,
       COALESCE((
         SELECT jsonb_agg(jsonb_build_object(
           'at', CASE WHEN messages.state IN ('reserved', 'sending')
                      THEN greatest(messages.at, least(messages.expires_at, %(at)s)) ELSE messages.at END,
           'channel', channel, 'category', category, 'priority', priority))
         FROM messages
         WHERE messages.profile_id = journeys.profile_id
           AND messages.state IN ('reserved', 'sending', 'sent', 'unknown')
           AND (messages.at > %(at)s - caps.longest
                OR messages.state IN ('reserved', 'sending') AND messages.expires_at > %(at)s - caps.longest)
         ), '[]') AS ledger
FROM journeys
JOIN profiles ON profiles.id = journeys.profile_id
JOIN campaigns ON campaigns.key = journeys.campaign_key
CROSS JOIN LATERAL (SELECT journeys.state = 'active' AND campaign_version = ANY(exiting) AS is_stopped) AS stopped
LEFT JOIN (
  SELECT rules, (SELECT max(greatest((rule ->> 'window')::float8, (rule ->> 'min_gap')::float8))
                 FROM jsonb_array_elements(rules) AS rule) * interval '1 second' AS longest
  FROM documents WHERE kind = 'frequency-caps' ORDER BY version DESC LIMIT 1
) AS caps ON true
WHERE journeys.id = %(journey_id)s
"""  # noqa: S608 -- a constant of the store
_STEP_FACTS = f"""
SELECT journeys.profile_id, journeys.account_id, campaign_key, campaign_version, entry, entered_at, saved,
       CASE WHEN journeys.state = 'active' AND campaign_version = ANY(exiting) THEN 'exited'
            ELSE journeys.state END AS journey_state,
       user_id, traits, profiles.context, consent AS consent_given, suppressed,
       {REFUSED_OF_PROFILE} AS refused_addresses,
       profiles.stage, profiles.created_at, COALESCE(profiles.bucket, profiles.id) AS bucket,
       (SELECT min(value) FROM identities
        WHERE identities.profile_id = profiles.id AND kind = 'anonymous') AS anonymous_id,
       COALESCE((SELECT jsonb_object_agg(step, CASE WHEN opened_at IS NOT NULL THEN 'opened'
                                                    WHEN messages.state = 'sent' THEN 'ignored'
                                                    ELSE messages.state END ORDER BY visit)
                 FROM messages WHERE messages.journey_id = journeys.id), '{{}}') AS messages,
       COALESCE((SELECT jsonb_object_agg(step, outcome ORDER BY recorded_at) FROM decisions
                 WHERE decisions.journey_id = journeys.id AND {IS_ARM}), '{{}}') AS arms,
       (SELECT answer FROM decisions WHERE id = %(decision_id)s) AS answered,
       COALESCE((SELECT state FROM profile_states WHERE profile_id = profiles.id), '{{}}') AS counted,
       {LEARNED} AS learned,
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
