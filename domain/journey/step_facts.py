"""The facts that the steps of a journey decide from: the person, the entry event, the journey so far, the ledger."""

from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import Struct

from domain.campaign.life import CampaignState
from domain.campaign.plan import Plan, Send, Split
from domain.journey.state import StoredState
from domain.local_time.zones import recipient_zone
from domain.people.consent import ConsentFacts, consent_by_channel
from domain.sending.caps import CapRule, CountedMessage

# The outcome of a message that was never granted, and the arm of a split that the journey has not come to.
NONE = "none"


class LockedFacts(Struct, frozen=True, kw_only=True):
    """A journey and its person, read under their locks.

    `answered` is the answer that this request got before, as it is stored; None where it got none.
    """

    profile_id: UUID
    campaign_key: str
    campaign_version: int
    journey_state: StoredState
    traits: dict[str, Any]
    context: dict[str, str]
    suppressed: dict[str, str | None]
    refused_addresses: dict[str, dict[str, str | None]]
    answered: Any = None

    def zone(self, *fallbacks: str | None) -> ZoneInfo:
        """The zone that the person lives in: their own, their device's, else the first of these that is known."""
        return recipient_zone(self.traits, self.context.get("timezone"), *fallbacks)


class GateFacts(LockedFacts, frozen=True, kw_only=True):
    """The facts of the gate. `held_at` is when this message was last asked for, if it was held then."""

    consent: dict[str, bool]
    ended_by: str | None
    campaign_state: CampaignState
    held_at: datetime | None
    rules: list[CapRule]
    ledger: list[CountedMessage]


class StepFacts(LockedFacts, frozen=True, kw_only=True):
    """The facts of all other steps; expressions see them as the profile.

    `messages` are the outcomes by step, of the last visit: "opened", "ignored" (sent and not opened), or the ledger's
    own state. `arms` are those of the splits that the journey has come to. `saved` are values of webhooks' replies.
    """

    entry: dict[str, Any]
    entered_at: datetime
    user_id: str | None
    anonymous_id: str | None
    consent_given: dict[str, bool]
    stage: str | None
    created_at: datetime
    messages: dict[str, str]
    arms: dict[str, str]
    saved: dict[str, Any]

    @property
    def consent(self) -> dict[str, bool]:
        """Whether marketing may be sent, by channel: the gate's own answer."""
        return consent_by_channel(ConsentFacts(self.consent_given, self.suppressed, self.refused_addresses))


class JourneyVariables(Struct, frozen=True):
    """The journey as expressions see it: visits, message outcomes and arms by step, and what it saved."""

    steps: dict[str, int]
    messages: dict[str, str]
    arms: dict[str, str]
    saved: dict[str, Any]
    entered_at: datetime


def journey_variables(plan: Plan, visits: dict[str, int], facts: StepFacts) -> JourneyVariables:
    """Fill in every step of the plan, so that an expression can ask for one that the journey did not come to."""
    return JourneyVariables(
        steps={step: visits.get(step, 0) for step in plan.nodes},
        messages={id: facts.messages.get(id, NONE) for id, node in plan.nodes.items() if isinstance(node, Send)},
        arms={id: facts.arms.get(id, NONE) for id, node in plan.nodes.items() if isinstance(node, Split)},
        saved=facts.saved,
        entered_at=facts.entered_at,
    )
