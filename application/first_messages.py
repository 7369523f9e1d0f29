"""Ask the gate about the first message of a journey that would begin now."""

from datetime import datetime
from typing import Any

from msgspec import Struct

from application.catalogue import Catalogue, LoadedVersion
from application.channel_choice import choose_for
from application.sender_choice import foresee_with_sender
from domain.journey.deployed_facts import complete_gate_facts
from domain.journey.position import NextPositions
from domain.journey.records import Journey
from domain.journey.requests import AuthorizeRequest
from domain.journey.step_decisions import GateOutcome, StepDecision, decide_send, gate_outcome
from domain.people.segments.deployed import DeployedSegments
from domain.sending.gate_answers import Answer, Deferred, Held
from domain.sending.routes import SenderPick
from store import step_facts
from store.database import Connection


class FirstMessage(Struct, frozen=True):
    """The gate's answer to a message. `until` is the end of a deferral or a hold."""

    step: str
    channel: str
    outcome: GateOutcome
    reason: str | None
    until: datetime | None
    data: dict[str, Any]


async def decide_first_message(
    connection: Connection,
    catalogue: Catalogue,
    segments: DeployedSegments,
    journey: Journey,
    version: LoadedVersion,
    timezone: str,
) -> FirstMessage | None:
    """Decide as the gate, but reserve nothing, and take no room.

    None if the flow may lead elsewhere before a message. A message after a delay is decided as if it were due now.
    """
    node, at = version.plan.find_first_send(), journey.entered_at
    if node is None or (facts := await step_facts.read_entry_gate_facts(connection, journey, at)) is None:
        return None
    facts = complete_gate_facts(facts, segments)
    request = AuthorizeRequest(journey.id, node.id, 1, 1, at, at, None, NextPositions(0, (None,)))
    choice = await choose_for(connection, catalogue, node, request.message_id, at, facts)
    step = node if choice is None else choice.step

    def decide(sender: SenderPick | None) -> StepDecision[Answer]:
        return decide_send(request, version.plan, version.rules, facts, timezone, sender, choice)

    decision = await foresee_with_sender(
        connection, catalogue, step, at, facts, timezone, version.rules.max_parts, decide
    )
    until = decision.answer.until if isinstance(decision.answer, Deferred | Held) else None
    outcome = gate_outcome(decision.answer)
    return FirstMessage(node.id, step.channel, outcome, decision.reason, until, decision.data)
