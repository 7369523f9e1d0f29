"""Facts for the decisions of steps: person, entry event, journey and ledger."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import UNSET, Struct, UnsetType

from domain.campaign.life import CampaignState
from domain.campaign.plan import Message, Plan, Send, Split
from domain.journey.state import StoredState
from domain.local_time.zones import recipient_zone
from domain.people.account_view import NO_ACCOUNT, AccountView
from domain.people.consent import ConsentFacts, consent_by_channel
from domain.people.device_addresses import DeviceAddress, list_reached
from domain.people.learned import LearnedFields, LearnedRow
from domain.people.registers import unpack
from domain.people.segments.definition import Memberships
from domain.people.segments.stages import StagedFields
from domain.people.topics.deployed import NO_TOPICS, DeployedTopics, subscriptions_by_channel
from domain.sending.caps import CapRule, CountedMessage
from domain.sending.deliverability import ProviderPause
from domain.sending.fallbacks import EarlierMessage
from domain.sending.holds import Hold
from domain.sending.objections import Recipient
from domain.sending.single_messages import SingleMessage

# The outcome of a message that was never granted, and the arm of a split that the journey has not reached.
NONE = "none"


class LockedFacts(Struct, frozen=True, kw_only=True):
    """A journey and its person, read under their locks.

    `registry_revision` is that of the campaigns, which are locked too, and `topics` are those of this revision.
    `answered` is the stored answer to the same request; None for a new request.
    """

    profile_id: UUID
    campaign_key: str
    campaign_version: int
    journey_state: StoredState
    traits: dict[str, Any]
    context: dict[str, Any]
    suppressed: dict[str, str | None]
    refused_addresses: dict[str, dict[str, str | None]]
    registry_revision: int
    answered: Any = None
    topics: DeployedTopics = NO_TOPICS

    def zone(self, *fallbacks: str | None) -> ZoneInfo:
        """Return the person's time zone, else the device's, else the first fallback."""
        return recipient_zone(self.traits, self.context.get("timezone"), *fallbacks)


class GateFacts(LockedFacts, frozen=True, kw_only=True):
    """The facts of the gate. `held_at` is the last request, if a pause held it.

    `broken` are the providers whose circuit is open, and since when, `pauses` those whose marketing is paused.
    `single` is the message of a journey without a campaign, and `asked_address` the address that it was asked for.
    `before` are the messages that a fallback follows, the first one first.
    """

    consent: dict[str, bool]
    ended_by: str | None
    campaign_state: CampaignState
    held_at: datetime | None
    rules: list[CapRule]
    ledger: list[CountedMessage]
    bucket: UUID
    broken: dict[str, datetime]
    pauses: list[ProviderPause] = []
    holds: list[Hold] = []
    devices: list[DeviceAddress] = []
    preferences: dict[str, Any] = {}
    single: SingleMessage | None = None
    asked_address: str | None = None
    before: Sequence[EarlierMessage] = ()

    def recipient(self, at: datetime) -> Recipient:
        """Return the person as the policy sees them at an instant."""
        return Recipient(
            self.traits,
            self.consent,
            self.suppressed,
            self.refused_addresses,
            holds=self.holds,
            preferences=self.preferences,
            asked_address=self.asked_address,
            devices=list_reached(self.devices, at),
        )


class PageFacts(Struct, frozen=True, kw_only=True):
    """The facts of the gate that all members of an account share.

    `profile_id` is the journey's person, who stands for the account. `held_at` is the last request, if a pause held it.
    `registry_revision` is that of the campaigns, which are locked too. `broken` are the providers whose circuit is
    open, `pauses` those whose marketing is paused.
    """

    profile_id: UUID
    campaign_key: str
    campaign_version: int
    journey_state: StoredState
    ended_by: str | None
    campaign_state: CampaignState
    held_at: datetime | None
    rules: list[CapRule]
    broken: dict[str, datetime]
    registry_revision: int
    pauses: list[ProviderPause] = []
    answered: Any = None


class MemberFacts(Struct, frozen=True, kw_only=True):
    """The facts of the gate about a member, read under their locks.

    `is_decided` says that they have a message of this visit, or were refused one.
    """

    profile_id: UUID
    traits: dict[str, Any]
    context: dict[str, Any]
    consent: dict[str, bool]
    suppressed: dict[str, str | None]
    refused_addresses: dict[str, dict[str, str | None]]
    ledger: list[CountedMessage]
    bucket: UUID
    is_decided: bool
    holds: list[Hold] = []
    devices: list[DeviceAddress] = []
    preferences: dict[str, Any] = {}

    def zone(self, *fallbacks: str | None) -> ZoneInfo:
        """Return the person's time zone, else the device's, else the first fallback."""
        return recipient_zone(self.traits, self.context.get("timezone"), *fallbacks)


class StepFacts(LockedFacts, LearnedFields, StagedFields, frozen=True, kw_only=True):
    """The facts of all other steps, which expressions see as the profile.

    `messages` are the outcomes by step, of the last visit: "opened", "ignored" (sent and not opened), or the ledger's
    own state. `clicks` are the links that were clicked in them, empty where a click names none, and `answers` those to
    their surveys, by question. `arms` are those of the splits that the journey has reached. `bucket` stays the person's
    in merges. `saved` are values of webhooks' replies.
    `computed` are the values of computed traits, read from the state `counted` with the definitions of the registry's
    revision, and `segments` the keys of the `memberships`; `unverified_computed` hold values of events. `account_id` is
    that of an account's journey, and `account` is read if an expression of the version may read it. `said_traits` are
    the packed stamps of the traits, for actions.
    """

    entry: dict[str, Any]
    entered_at: datetime
    user_id: str | None
    anonymous_id: str | None
    consent_given: dict[str, bool]
    preferences: dict[str, Any]
    stated_stage: str | None
    created_at: datetime
    bucket: UUID
    messages: dict[str, str]
    clicks: dict[str, str]
    answers: dict[str, dict[str, Any]]
    arms: dict[str, str]
    saved: dict[str, Any]
    counted: dict[str, Any]
    memberships: Memberships
    learned: LearnedRow | None = None
    computed: Mapping[str, Any] = {}
    segments: Sequence[str] = ()
    areas: Sequence[str] = ()
    judged_stage: str | UnsetType | None = UNSET
    account_id: str | None = None
    unverified_computed: frozenset[str] = frozenset()
    account: AccountView = NO_ACCOUNT
    said_traits: list[list[Any]] | None = None

    @property
    def consent(self) -> dict[str, bool]:
        """Whether marketing may be sent, by channel, as the gate decides it."""
        facts = ConsentFacts(self.consent_given, self.suppressed, self.refused_addresses, traits=self.traits)
        return consent_by_channel(facts, self.topics)

    @property
    def subscriptions(self) -> dict[str, list[str]]:
        """The topics that the person is subscribed to, by channel."""
        return subscriptions_by_channel(self.preferences, self.topics)

    @property
    def unverified_traits(self) -> frozenset[str]:
        """The traits that a browser may have stated without a user token."""
        return frozenset(name for name, said in unpack(self.said_traits or ()).items() if said.is_unverified())

    @property
    def verified_traits(self) -> frozenset[str]:
        """The traits that others have stated, deleted ones too."""
        return frozenset(name for name, said in unpack(self.said_traits or ()).items() if not said.is_unverified())


class JourneyVariables(Struct, frozen=True):
    """The journey as expressions see it: visits, outcomes, arms, and saved values."""

    steps: dict[str, int]
    messages: dict[str, str]
    clicks: dict[str, str]
    answers: dict[str, dict[str, Any]]
    arms: dict[str, str]
    saved: dict[str, Any]
    entered_at: datetime


def journey_variables(plan: Plan, visits: dict[str, int], facts: StepFacts) -> JourneyVariables:
    """Return the variables with every step of the plan, also those not reached."""
    # A fallback counts as the message that it follows.
    sends = [
        id
        for id, node in plan.nodes.items()
        if isinstance(node, Message) and not (isinstance(node, Send) and node.fallback_of is not None)
    ]
    return JourneyVariables(
        steps={step: visits.get(step, 0) for step in plan.nodes},
        messages={id: facts.messages.get(id, NONE) for id in sends},
        clicks={id: facts.clicks.get(id, NONE) for id in sends},
        answers={id: facts.answers.get(id, {}) for id in sends},
        arms={id: facts.arms.get(id, NONE) for id, node in plan.nodes.items() if isinstance(node, Split)},
        saved=facts.saved,
        entered_at=facts.entered_at,
    )
