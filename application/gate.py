"""The one gate before every message of every campaign: decide, reserve and record in one transaction."""

from datetime import datetime
from uuid import UUID, uuid5

from msgspec import Struct, convert, to_builtins

from application.catalogue import Catalogue, LoadedVersion
from domain.campaign.plan import Send
from domain.errors import ConflictError, UnavailableError
from domain.journey.position import NextPositions, position_after_gate
from domain.journey.records import Ending
from domain.journey.state import CAPPED, COMPLETED
from domain.local_time.zones import recipient_zone
from domain.sending import policy
from domain.sending.policy import Answer, Deferred, Granted, Held, Recipient, Refused, Request
from store import decisions, journeys, messages
from store.database import Connection, Database
from store.decisions import Decision
from store.messages import GateFacts, Reservation


class AuthorizeRequest(Struct, frozen=True):
    """May this step's message go? `at` is the instant on the journey's clock, `reached_at` when the step was reached.

    `attempt` counts the questions of one visit; the same four ids are the same question, and get the same answer.
    `ends_with` is the outcome with which the journey is over if this message is refused; None if it goes on.
    """

    journey_id: UUID
    step: str
    visit: int
    attempt: int
    reached_at: datetime
    at: datetime
    ends_with: str | None
    next_positions: NextPositions


class Gate:
    """Authorises messages under the frequency caps that all campaigns share.

    `timezone` is the deployment's, for recipients whose own is not known, nor their campaign's.
    """

    def __init__(self, database: Database, catalogue: Catalogue, timezone: str) -> None:
        self._database = database
        self._catalogue = catalogue
        self._timezone = timezone

    async def authorize(self, request: AuthorizeRequest) -> Answer:
        """Answer a question. Asked again, also at the same time, it answers the same and reserves nothing more."""
        decision_id, asked_before = (
            _decision_id(request, attempt) for attempt in (request.attempt, request.attempt - 1)
        )
        async with self._database.pipeline() as connection:
            facts = await messages.gate_facts(connection, request.journey_id, decision_id, asked_before, request.at)
            if facts is None:
                raise UnavailableError(f"journey {request.journey_id} is being moved to another profile; ask again")
            if facts.answered is not None:
                answer: Answer = convert(facts.answered, Answer)
                return answer
            version = await self._catalogue.version(connection, facts.campaign_key, facts.campaign_version)
            step = version.plan.node(request.step)
            if not isinstance(step, Send):
                raise ConflictError(f"step {request.step} of {facts.campaign_key} sends nothing")
            policy_request = _policy_request(request, step, version)
            decision = self._decide(policy_request, version, facts)
            await self._record(connection, request, policy_request, facts, decision_id, decision)
            await _place(connection, request, decision.answer, version)
            return decision.answer

    def _decide(self, policy_request: Request, version: LoadedVersion, facts: GateFacts) -> policy.GateDecision:
        return policy.decide(
            policy_request,
            journey_state=facts.journey_state,
            ended_by=facts.ended_by,
            campaign_state=facts.campaign_state,
            overdue=version.rules.on_resume.overdue,
            held_at=facts.held_at,
            recipient=Recipient(facts.traits, facts.consent, facts.suppressed, facts.refused_addresses),
            window=version.rules.send_window,
            zone=recipient_zone(facts.traits, facts.context.get("timezone"), version.rules.timezone, self._timezone),
            rules=facts.rules,
            ledger=facts.ledger,
        )

    async def _record(
        self,
        connection: Connection,
        request: AuthorizeRequest,
        policy_request: Request,
        facts: GateFacts,
        decision_id: UUID,
        decision: policy.GateDecision,
    ) -> None:
        """The decision first, so that on the timeline its consequences follow it."""
        answer = decision.answer
        recorded = Decision(
            id=decision_id,
            profile_id=facts.profile_id,
            campaign_key=facts.campaign_key,
            kind="send",
            outcome=_outcome(answer),
            reason=None if isinstance(answer, Granted) else answer.reason,
            at=request.at,
            journey_id=request.journey_id,
            step=request.step,
            answer=to_builtins(answer),
            data=decision.data,
        )
        await decisions.insert(connection, [recorded])
        if isinstance(answer, Granted):
            await messages.reserve(connection, _reservation(request, policy_request, facts))
        elif isinstance(answer, Refused) and (outcome := _ends_with(request, policy_request.step, answer)) is not None:
            await journeys.end(connection, [Ending(request.journey_id, COMPLETED, outcome, None, request.at)])


async def _place(connection: Connection, request: AuthorizeRequest, answer: Answer, version: LoadedVersion) -> None:
    position = position_after_gate(request.next_positions, request.step, answer, request.at, version.plan.ends_at)
    await journeys.place(connection, request.journey_id, position, request.next_positions.move, request.at)


def _decision_id(request: AuthorizeRequest, attempt: int) -> UUID:
    return uuid5(request.journey_id, f"{request.step}/{request.visit}/{attempt}")


def _policy_request(request: AuthorizeRequest, step: Send, version: LoadedVersion) -> Request:
    message_id = uuid5(request.journey_id, f"{request.step}/{request.visit}")
    return Request(str(message_id), step, request.reached_at, request.at, version.plan.ends_at)


def _reservation(request: AuthorizeRequest, policy_request: Request, facts: GateFacts) -> Reservation:
    step = policy_request.step
    return Reservation(
        id=UUID(policy_request.message_id),
        journey_id=request.journey_id,
        profile_id=facts.profile_id,
        campaign_key=facts.campaign_key,
        step=request.step,
        visit=request.visit,
        channel=step.channel,
        category=step.category,
        priority=step.priority,
        template=step.template,
        at=request.at,
        expires_at=policy_request.expires_at,
    )


def _ends_with(request: AuthorizeRequest, step: Send, answer: Refused) -> str | None:
    """The outcome with which a refusal ends the journey; None if it goes on, or was over before."""
    if answer.journey_ended:
        return None
    return CAPPED if answer.reason == CAPPED and step.on_capped == "exit" else request.ends_with


def _outcome(answer: Answer) -> str:
    match answer:
        case Granted():
            return "granted"
        case Deferred():
            return "deferred"
        case Held():
            return "held"
        case Refused():
            return "refused"
