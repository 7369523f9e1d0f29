"""The retry of one failed message."""

from contextlib import suppress
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
    from domain.sending.gate_answers import Answer, Deferred, Granted, Held, Refused
    from domain.sending.retries import RetryRequest

# When the gate is asked again about a message that an earlier build holds without an end.
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

    def __init__(self) -> None:
        self._is_resumed = False

    @workflow.signal
    def resume(self) -> None:
        """Handle the resumption of the campaign or the provider, or the release of a hold."""
        self._is_resumed = True

    @workflow.run
    async def run(self, retry: RetryInput) -> str:
        """Return the state of the message, or the reason of its refusal."""
        attempt = retry.attempt
        while True:
            # A resumption from here on may be later than the answer.
            self._is_resumed = False
            match answer := await self._authorize(retry, attempt):
                case Granted():
                    state = await self._send(retry, answer)
                    if state != POSTPONED:
                        return state
                case Refused(reason=reason):
                    return reason
                case Deferred(until=until, reason=reason):
                    await workflow.sleep(_rest(until), summary=f"deferred: {reason}")
                case Held(until=until, reason=reason):
                    await self._wait(until, f"held: {reason}")
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
        channel = granted.channel or retry.channel
        dispatch = Dispatch(granted.message_id, channel, retry.category, retry.priority, None, granted.paced_by)
        outcome = await calls.send(dispatch, "the retry", NextPositions(0, ()))
        return outcome.state

    async def _wait(self, until: datetime | None, why: str) -> None:
        """Wait for a resumption, at most until an instant."""
        timeout = HELD_INTERVAL if until is None else _rest(until)
        with suppress(TimeoutError):
            await workflow.wait_condition(lambda: self._is_resumed, timeout=timeout, timeout_summary=why)


def _rest(until: datetime) -> timedelta:
    return max(until - workflow.now(), timedelta(0))
