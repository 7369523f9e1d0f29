"""Facts of steps as they are stored, completed by what is deployed."""

from datetime import datetime

from msgspec.structs import replace

from domain.journey.step_facts import GateFacts, StepFacts
from domain.people.account_view import AccountView
from domain.people.segments.deployed import DeployedSegments


def complete_gate_facts(facts: GateFacts, segments: DeployedSegments) -> GateFacts:
    """Add the topics to the facts of the gate, and select the person's holds."""
    holds = segments.places.select_holds(facts.holds, facts.context) if facts.holds else facts.holds
    return replace(facts, holds=holds, topics=segments.topics)


def complete_step_facts(facts: StepFacts, segments: DeployedSegments, account: AccountView, at: datetime) -> StepFacts:
    """Add computed traits, segments, areas and topics to the facts of a step."""
    return replace(
        facts,
        computed=segments.traits.view(facts.counted, at),
        segments=segments.keys_of(facts.memberships),
        areas=segments.places.find_areas(facts.context),
        topics=segments.topics,
        judged_stage=segments.stage_of(facts.memberships),
        unverified_computed=segments.traits.list_unverified(),
        account=account,
    )
