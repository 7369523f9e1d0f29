"""The facts of steps of simulated journeys, as the store reads them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from domain.campaign.plan import Message, Send
from domain.journey.deployed_facts import complete_gate_facts, complete_step_facts
from domain.journey.step_facts import GateFacts, StepFacts
from domain.people.account_view import NO_ACCOUNT
from domain.people.registers import pack
from domain.rehearsal.journeys import SimulatedJourney
from domain.rehearsal.messages import describe_messages, list_before, list_counted
from domain.rehearsal.people import SimulatedPerson
from domain.rehearsal.rulebook import Rulebook
from domain.sending.fallbacks import EarlierMessage


def gate_facts(
    rulebook: Rulebook, person: SimulatedPerson, journey: SimulatedJourney, node: Message, message_id: UUID
) -> GateFacts:
    """Return the facts of the gate about a message.

    Campaigns run, no provider is paused or broken, and nothing is on hold.
    """
    profile, record = person.profile, journey.record
    before: Sequence[EarlierMessage] = ()
    if isinstance(node, Send) and node.fallback_of is not None:
        before = list_before(person.messages_of(record.id), node.fallback_of, message_id)
    facts = GateFacts(
        profile_id=person.id,
        campaign_key=record.campaign_key,
        campaign_version=record.campaign_version,
        journey_state=journey.stored,
        traits=profile.traits,
        context=profile.context,
        suppressed=profile.suppressed,
        refused_addresses=profile.refused_addresses,
        registry_revision=0,
        consent=profile.consent_given,
        ended_by=journey.ended_by,
        campaign_state="running",
        held_at=None,
        rules=list(rulebook.caps),
        ledger=list_counted(person.messages),
        bucket=person.bucket,
        broken={},
        devices=list(person.devices.values()),
        preferences=profile.preferences,
        before=before,
    )
    return complete_gate_facts(facts, rulebook.segments)


def step_facts(
    rulebook: Rulebook, person: SimulatedPerson, journey: SimulatedJourney, at: datetime, *, with_stamps: bool = False
) -> StepFacts:
    """Return the facts of any other step; actions read the stamps of traits."""
    profile, record = person.profile, journey.record
    messages, clicks = describe_messages(person.messages_of(record.id))
    facts = StepFacts(
        profile_id=person.id,
        campaign_key=record.campaign_key,
        campaign_version=record.campaign_version,
        journey_state=journey.stored,
        traits=profile.traits,
        context=profile.context,
        suppressed=profile.suppressed,
        refused_addresses=profile.refused_addresses,
        registry_revision=0,
        entry=journey.entry,
        entered_at=record.entered_at,
        user_id=profile.user_id,
        anonymous_id=person.anonymous_id,
        consent_given=profile.consent_given,
        preferences=profile.preferences,
        stated_stage=profile.stated_stage,
        created_at=profile.created_at,
        bucket=person.bucket,
        messages=messages,
        clicks=clicks,
        answers={},
        arms=journey.arms,
        saved={},
        counted=dict(person.row.state),
        memberships=person.row.segments,
        learned=person.profile.learned,
        said_traits=pack(person.values.traits.stamps) if with_stamps else None,
    )
    return complete_step_facts(facts, rulebook.segments, NO_ACCOUNT, at)
