"""Retries of failed messages: plan and request them, and ask the gate again."""

from collections import Counter
from dataclasses import dataclass
from uuid import UUID

from msgspec import convert, to_builtins
from msgspec.structs import replace

from application import campaign_transitions
from application.catalogue import Catalogue, LoadedVersion
from application.channel_choice import choose_for, read_earlier
from application.sender_choice import decide_with_sender
from domain.access import Actor
from domain.errors import InvalidRequestError, NotFoundError, UnavailableError
from domain.journey.decision import Decision
from domain.journey.records import retry_workflow_id
from domain.journey.retry_decisions import JourneyEnd, RepeatedStep, RetryFacts, decide_retry
from domain.journey.state import ACTIVE, COMPLETED, EXITED
from domain.journey.step_decisions import StepDecision
from domain.sending.gate_answers import Answer, Refused
from domain.sending.retries import (
    RetriedJourney,
    RetryFilter,
    RetryRequest,
    find_exits,
    find_repeated_step,
    may_have_been_missed,
)
from domain.sending.single_messages import split_template_key
from store import audit, campaigns, decisions, messages, operations, retries, single_messages, step_facts
from store.database import Connection, Database
from store.operations import Operation
from store.outbox import OutboxMessage
from store.retries import FailedGroup, FailedMessage

# The message to retry is not there any more, or another operation has it.
_NOT_RETRIED = Refused("retried_before")


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """The failed messages of a selection: how many are retried, why others are not.

    The gate decides about the former again, and may refuse some.
    """

    failed: int
    retried: int
    not_retried: dict[str, int]
    groups: list[FailedGroup]


class Retries:
    """Plans and requests retries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def plan(self, which: RetryFilter) -> RetryPlan:
        """Count the failed messages of a selection. Raises NotFoundError."""
        async with self._database.long_read() as connection:
            await _require_names(connection, which)
            groups = await retries.count(connection, which, connection.clock.now())
        obstacles = Counter[str]()
        for group in groups:
            if group.obstacle is not None:
                obstacles[group.obstacle] += group.messages
        failed = sum(group.messages for group in groups)
        return RetryPlan(failed, failed - obstacles.total(), dict(obstacles), groups)

    async def request(self, which: RetryFilter, *, by: Actor) -> Operation:
        """Request the retry of messages that have failed by now. Raises NotFoundError."""
        async with self._database.transaction() as connection:
            await _require_names(connection, which)
            now = connection.clock.now()
            # One that fails again meanwhile is for the next request.
            which = replace(which, until=min(which.until or now, now))
            parameters = {"selection": to_builtins(which)}
            operation = await operations.insert_for_deployment(connection, "retry", parameters, requested_by=by.name)
            data = {"operation": str(operation.id), **parameters}
            await audit.record(connection, by, "messages.retry", which.campaign or "", data)
            return operation


async def _require_names(connection: Connection, which: RetryFilter) -> None:
    """Raise NotFoundError for an unknown campaign, template or step."""
    if which.campaign is None:
        if which.step is not None:
            raise InvalidRequestError("a step is of a campaign: `campaign` is missing", step=which.step)
        return
    if split_template_key(which.campaign) is None:
        await campaign_transitions.get_or_raise(connection, which.campaign)
    elif await single_messages.find_running_version(connection, which.campaign) is None:
        raise NotFoundError(f"there is no template {which.campaign}", campaign=which.campaign)
    if which.step is not None and not await campaigns.has_step(connection, which.campaign, which.step):
        raise NotFoundError(
            f"campaign {which.campaign} has no step {which.step}", campaign=which.campaign, step=which.step
        )


def start_retry(message: FailedMessage, operation: UUID) -> OutboxMessage:
    """Return the start of the workflow that retries a message for an operation."""
    return OutboxMessage(
        retry_workflow_id(message.campaign_key, message.id, operation),
        "retry",
        {
            "message_id": str(message.id),
            "operation": str(operation),
            "campaign": message.campaign_key,
            "channel": message.channel,
            "category": message.category,
            "priority": message.priority,
        },
    )


class RetryGate:
    """Asks the gate about retries; a repeated request gets the same answer.

    `timezone` is the deployment's, for recipients without a zone of their own or their campaign's.
    """

    def __init__(self, database: Database, catalogue: Catalogue, timezone: str) -> None:
        self._database = database
        self._catalogue = catalogue
        self._timezone = timezone

    async def authorize(self, request: RetryRequest) -> Answer:
        """Ask whether a retry may go. After a refusal, a later operation may ask again."""
        async with self._database.pipeline() as connection:
            facts = await step_facts.read_retry_facts(connection, request)
            if facts == "moved":
                raise UnavailableError(f"message {request.message_id} is being moved to another profile; ask again")
            if facts == "gone":
                return _NOT_RETRIED
            if facts.answered is not None:
                answer: Answer = convert(facts.answered, Answer)
                return answer
            if facts.retried_by != request.operation:
                return _NOT_RETRIED
            decision = await self._decide(connection, request, facts)
            await _record(connection, request, facts, decision)
            return decision.answer

    async def _decide(self, connection: Connection, request: RetryRequest, facts: RetryFacts) -> StepDecision[Answer]:
        segments = await self._catalogue.segments_at(connection, facts.registry_revision)
        holds = segments.places.select_holds(facts.holds, facts.context) if facts.holds else facts.holds
        known = replace(facts, holds=holds, topics=segments.topics)
        own = await self._catalogue.version(connection, facts.campaign_key, facts.campaign_version)
        repeated, version = await self._find_step(connection, facts, own)
        if facts.single is not None:
            repeated = replace(repeated, step=facts.single.step())
        journey = JourneyEnd(facts.journey_state, facts.ended_by)
        if facts.journey_state == COMPLETED and facts.ended_recorded_at is not None:
            ended = RetriedJourney(
                facts.profile_id, facts.account_id, facts.ended_recorded_at, is_exiting=facts.is_exiting
            )
            journey = await follow_completed(connection, ended, (own, version))
        known = await read_earlier(connection, repeated.step, request.retry_id, facts.journey_id, known)
        choice = await choose_for(connection, self._catalogue, repeated.step, request.retry_id, request.at, known)
        if choice is not None:
            repeated = replace(repeated, step=choice.step)
        return await decide_with_sender(
            connection,
            self._catalogue,
            repeated.step,
            request.retry_id,
            request.at,
            known,
            self._timezone,
            repeated.rules.max_parts,
            lambda sender: decide_retry(request, repeated, known, journey, self._timezone, sender),
        )

    async def _find_step(
        self, connection: Connection, facts: RetryFacts, own: LoadedVersion
    ) -> tuple[RepeatedStep, LoadedVersion]:
        """Return the step to repeat: the running version's, perhaps mended, or its own."""
        if facts.running_version not in (None, own.version):
            running = await self._catalogue.version(connection, facts.campaign_key, facts.running_version or 0)
            if (step := find_repeated_step(running.plan, own.plan, facts.step)) is not None:
                return RepeatedStep(step, running.rules, running.version, running.plan.ends_at), running
        step = find_repeated_step(own.plan, own.plan, facts.step)
        if step is None:
            raise ValueError(f"step {facts.step} of {own.key}, version {own.version}, sends nothing")
        return RepeatedStep(step, own.rules, None, own.plan.ends_at), own


async def follow_completed(
    connection: Connection, journey: RetriedJourney, versions: tuple[LoadedVersion, LoadedVersion]
) -> JourneyEnd:
    """Return the state of a completed journey for its retry: active or exited.

    Nothing listens for its exits any more, so the person's events are looked up, under the person's lock: one that was
    acknowledged is found. Conditions of exits are left out of account: in doubt, nothing is sent.
    """
    if journey.is_exiting:
        return JourneyEnd(EXITED, "campaign stopped")
    exits = find_exits(version.rules for version in versions)
    if may_have_been_missed(exits, journey.account_id):
        return JourneyEnd(EXITED, "its completion, after which its exits were not recorded")
    if exits and (event := await retries.find_event_since(connection, journey, exits)) is not None:
        return JourneyEnd(EXITED, event)
    return JourneyEnd(ACTIVE, None)


async def _record(
    connection: Connection, request: RetryRequest, facts: RetryFacts, decision: StepDecision[Answer]
) -> None:
    recorded = Decision(
        id=request.decision_id,
        profile_id=facts.profile_id,
        campaign_key=facts.campaign_key,
        kind=decision.kind,
        outcome=decision.outcome,
        reason=decision.reason,
        at=request.at,
        journey_id=facts.journey_id,
        step=facts.step,
        answer=decision.answer,
        data=decision.data,
    )
    await decisions.insert(connection, [recorded])
    if decision.reservation is not None:
        await messages.reserve(connection, [decision.reservation])
    if isinstance(decision.answer, Refused):
        await retries.release(connection, request.message_id)
