"""A message with its journey and its recipient, locked and read for an attempt."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType, convert

from domain.campaign.life import CampaignState
from domain.journey.state import StoredState
from domain.people.account_view import NO_ACCOUNT, AccountView
from domain.people.device_addresses import DeviceAddress
from domain.people.learned import LearnedRow
from domain.people.segments.definition import Memberships
from domain.people.segments.stages import StagedFields
from domain.sending.circuit import CircuitView
from domain.sending.claim import MessageState
from domain.sending.deliverability import ProviderPause
from domain.sending.fallbacks import EarlierMessage
from domain.sending.holds import Hold
from store import addresses, message_chains, survey_answers
from store.addresses import REFUSED_OF_PROFILE
from store.campaigns import REGISTRY_LOCK
from store.circuits import BROKEN, CIRCUIT
from store.database import Connection
from store.device_addresses import DEVICES
from store.holds import HOLDS
from store.message_chains import VERDICT_SECONDS
from store.profile_states import MEMBERSHIPS
from store.profiles import LEARNED
from store.provider_pauses import PAUSES

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
