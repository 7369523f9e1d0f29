"""The retry of one failed message."""

from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct
from temporalio import workflow

from workflows import options
from workflows.activity_calls import ActivityCalls

with workflow.unsafe.imports_passed_through():
    from activities.retry import RetryActivities
    from domain.campaign.plan import MessagePriority
    from domain.journey.position import NextPositions
    from domain.journey.protocol import Dispatch
    from domain.sending.claim import POSTPONED
    from domain.sending.policy import Answer, Deferred, Granted, Held, Refused
    from domain.sending.retries import RetryRequest

# How often the gate is asked about a held message: neither a resumption nor a release wakes it.
HELD_INTERVAL = timedelta(hours=1)


class RetryInput(Struct, frozen=True, omit_defaults=True):
    """Input of a retry, and of each continuation, without personal data.

    `attempt` counts the requests to the gate.
    """

    message_id: UUID
    operation: UUID
    campaign: str
    channel: str
    category: str
    priority: MessagePriority
    attempt: int = 1


@workflow.defn(name="Retry")
class RetryWorkflow:
    """Asks the gate about the message until it answers for good, and sends it.

    It moves no journey: the one of the message has gone on, or has ended.
    """

    @workflow.run
    async def run(self, retry: RetryInput) -> str:
        """Return the state of the message, or the reason of its refusal."""
        attempt = retry.attempt
        while True:
            match answer := await self._authorize(retry, attempt):
                case Granted():
                    state = await self._send(retry, answer)
                    if state != POSTPONED:
                        return state
                case Refused(reason=reason):
                    return reason
                case Deferred(until=until, reason=reason):
                    await _sleep(until, f"deferred: {reason}")
                case Held(until=until, reason=reason):
                    again = workflow.now() + HELD_INTERVAL
                    await _sleep(again if until is None else min(until, again), f"held: {reason}")
            attempt += 1
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(
                    RetryInput(
                        retry.message_id,
                        retry.operation,
                        retry.campaign,
                        retry.channel,
                        retry.category,
                        retry.priority,
                        attempt,
                    )
                )

    async def _authorize(self, retry: RetryInput, attempt: int) -> Answer:
        answer: Answer = await workflow.execute_activity_method(
            RetryActivities.authorize_retry,
            RetryRequest(retry.message_id, retry.operation, attempt, workflow.now()),
            start_to_close_timeout=options.DECISION_TIMEOUT,
            retry_policy=options.DECISION_RETRY,
            summary="may it go after all?",
        )
        return answer

    async def _send(self, retry: RetryInput, granted: Granted) -> str:
        calls = ActivityCalls(retry.message_id, retry.campaign, lambda: False)
        dispatch = Dispatch(granted.message_id, retry.channel, retry.category, retry.priority, None, granted.paced_by)
        outcome = await calls.send(dispatch, "the retry", NextPositions(0, ()))
        return outcome.state


async def _sleep(until: datetime, why: str) -> None:
    await workflow.sleep(max(until - workflow.now(), timedelta(0)), summary=why)
