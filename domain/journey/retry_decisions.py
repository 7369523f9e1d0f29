"""Decide whether the retry of a failed message may go, by the gate of them all."""

from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.campaign.plan import Message, SendMembers
from domain.campaign.rules import Rules
from domain.journey.state import StoredState
from domain.journey.step_decisions import StepDecision, decide_by_policy, gate_outcome
from domain.journey.step_facts import GateFacts
from domain.sending import policy
from domain.sending.gate_answers import Answer, Granted, Held
from domain.sending.policy import Reservation
from domain.sending.retries import RetryRequest
from domain.sending.routes import SenderChoice, SenderPick, price_of


class RetryFacts(GateFacts, frozen=True, kw_only=True):
    """The facts of the gate about a failed message, read under its locks.

    `campaign_version` is the journey's. `retried_by` is the operation that has the message. The last two are those of a
    journey that has ended.
    """

    journey_id: UUID
    step: str
    visit: int
    expires_at: datetime
    retried_by: UUID | None
    running_version: int | None
    account_id: str | None
    is_exiting: bool
    ended_recorded_at: datetime | None


class RepeatedStep(Struct, frozen=True):
    """The step that a retry repeats, by the rules of its version.

    `version` is None for that of the journey. `ends_at` is the end of the schedule.
    """

    step: Message
    rules: Rules
    version: int | None
    ends_at: datetime | None


class JourneyEnd(Struct, frozen=True):
    """The state of a retry's journey: a completed one is active until an exit comes."""

    state: StoredState
    ended_by: str | None


def decide_retry(
    request: RetryRequest,
    repeated: RepeatedStep,
    facts: RetryFacts,
    journey: JourneyEnd,
    timezone: str,
    sender: SenderPick | None = None,
) -> StepDecision[Answer]:
    """Decide whether a retry may go, by a provider. `timezone` is the deployment's.

    The order of the checks is that of `domain.sending.policy`. It moves no journey, and expires when the failed message
    would have.
    """
    step, rules = repeated.step, repeated.rules
    reached_at = facts.expires_at - timedelta(seconds=step.expires)
    asked = policy.Request(str(request.retry_id), step, reached_at, request.at, repeated.ends_at)
    as_now = replace(facts, journey_state=journey.state, ended_by=journey.ended_by)
    decision = decide_by_policy(asked, rules, as_now, timezone, sender)
    answer = decision.answer
    if isinstance(answer, Held) and answer.until is None:
        # A campaign that is paused may never be resumed.
        answer = replace(answer, until=asked.expires_at)
    if isinstance(answer, Granted):
        # The one that was chosen, if the step has several.
        answer = replace(answer, channel=step.channel)
    data = {"retry_of": str(request.message_id), "operation": str(request.operation), **decision.data}
    return StepDecision(
        kind="send",
        outcome=gate_outcome(answer),
        reason=None if isinstance(answer, Granted) else answer.reason,
        answer=answer,
        data={"role": step.role, **data} if isinstance(step, SendMembers) else data,
        reservation=_reservation(request, repeated, facts, asked, sender) if isinstance(answer, Granted) else None,
    )


def _reservation(
    request: RetryRequest,
    repeated: RepeatedStep,
    facts: RetryFacts,
    asked: policy.Request,
    sender: SenderPick | None,
) -> Reservation:
    step = repeated.step
    return Reservation(
        id=request.retry_id,
        journey_id=facts.journey_id,
        profile_id=facts.profile_id,
        campaign_key=facts.campaign_key,
        step=facts.step,
        visit=facts.visit,
        channel=step.channel,
        category=step.category,
        priority=step.priority,
        template=step.template,
        at=request.at,
        expires_at=asked.expires_at,
        provider=sender.provider if isinstance(sender, SenderChoice) else None,
        retry_of=request.message_id,
        retry_version=repeated.version,
        fallback_of=facts.before[0].id if facts.before else None,
        **price_of(sender),
    )
