"""One activity call per command, with its timeout, retry policy and UI summary.

A request that is one short transaction first runs as a local activity within the workflow task, so that no other task
has to be created and waited for. If that attempt is too slow or fails, the request runs as a regular activity, which is
retried without blocking anything. So a request may run twice, and again if the workflow task is lost: each activity
recognises by the decision, position or end that it has recorded that it ran before.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

from workflows import options

with workflow.unsafe.imports_passed_through():
    from activities.journey import FinishRequest, JourneyActivities, PositionUpdate, SendActivities, SendRequest
    from application.message_outcomes import SendOutcome
    from application.migrations import MoveRequest, StayRequest
    from domain.journey.migration import MigrationOutcome
    from domain.journey.position import NextPositions, Position
    from domain.journey.protocol import (
        Authorize,
        AuthorizeMembers,
        Dispatch,
        DispatchMembers,
        LookUp,
        Perform,
        Unreadable,
    )
    from domain.journey.requests import ActionRequest, AuthorizeRequest, BranchRequest, DelayRequest, MembersRequest
    from domain.sending.gate_answers import Answer, MembersAnswer


T = TypeVar("T")
Q = TypeVar("Q")

# The patch by which sends go to the queues of their providers.
PROVIDER_QUEUES: Final = "provider-queues"


class ActivityCalls:
    """Activity calls of one journey, each with the next positions for its row.

    `is_local` says whether a local activity may run now, which the history does not record before it has run.
    """

    def __init__(self, journey_id: UUID, campaign: str, is_local: Callable[[], bool]) -> None:
        self._journey_id = journey_id
        self._campaign = campaign
        self._is_local = is_local

    async def authorize(self, command: Authorize, next_positions: NextPositions) -> Answer:
        """Ask the gate whether a message may go."""
        request = AuthorizeRequest(
            journey_id=self._journey_id,
            step=command.step,
            visit=command.visit,
            attempt=command.attempt,
            reached_at=command.reached_at,
            at=workflow.now(),
            ends_with=command.ends_with,
            next_positions=next_positions,
        )
        return await self._call(JourneyActivities.authorize_send, request, f"may {command.step} go?")

    async def send(self, command: Dispatch, step: str | None, next_positions: NextPositions) -> SendOutcome:
        """Send a granted message."""
        return await workflow.execute_activity_method(
            SendActivities.send_message,
            SendRequest(UUID(command.message_id), workflow.now(), command.ends_with, next_positions),
            task_queue=_queue(command),
            start_to_close_timeout=options.SEND_TIMEOUT,
            heartbeat_timeout=options.SEND_HEARTBEAT,
            retry_policy=options.SEND_RETRY,
            priority=options.send_priority(self._campaign, command.category, command.priority),
            summary=f"send {step} by {command.channel}",
        )

    async def authorize_members(self, command: AuthorizeMembers, next_positions: NextPositions) -> MembersAnswer:
        """Ask the gate to which members of the next page a message may go.

        On record before it runs: the page is larger than what a workflow task should wait for.
        """
        request = MembersRequest(
            journey_id=self._journey_id,
            step=command.step,
            visit=command.visit,
            attempt=command.attempt,
            reached_at=command.reached_at,
            at=workflow.now(),
            after=None if command.after is None else UUID(command.after),
            next_positions=next_positions,
        )
        return await _call_on_record(
            JourneyActivities.authorize_members, request, f"to which members may {command.step} go?"
        )

    async def send_to_members(self, command: DispatchMembers, step: str | None) -> list[SendOutcome]:
        """Send the messages of a page, each as an activity of its own.

        A queue's rate limit counts activities, and each message is retried by itself. None of them moves the journey.
        """
        sends = (
            Dispatch(id, command.channel, command.category, command.priority, None, command.paced_by.get(id))
            for id in command.message_ids
        )
        return await asyncio.gather(*(self.send(one, step, NextPositions(0, ())) for one in sends))

    async def evaluate(self, step: str, visits: Mapping[str, int], next_positions: NextPositions) -> int | None:
        """Evaluate a branch, split or repetition."""
        return await self._call(
            JourneyActivities.evaluate_branch,
            BranchRequest(self._journey_id, step, workflow.now(), dict(visits), next_positions),
            f"which way at {step}?",
        )

    async def look_up(self, command: LookUp, next_positions: NextPositions) -> datetime | Unreadable | None:
        """Look up the end of a delay."""
        request = DelayRequest(
            journey_id=self._journey_id,
            step=command.step,
            visit=command.visit,
            attempt=command.attempt,
            reached_at=command.reached_at,
            at=workflow.now(),
            next_positions=next_positions,
        )
        return await self._call(JourneyActivities.look_up_delay, request, f"until when does {command.step} wait?")

    async def perform(self, command: Perform, visits: Mapping[str, int], next_positions: NextPositions) -> bool:
        """Perform an action; True if the journey had ended before."""
        request = ActionRequest(
            journey_id=self._journey_id,
            step=command.step,
            visit=command.visit,
            at=workflow.now(),
            ends_with=command.ends_with,
            visits=dict(visits),
            next_positions=next_positions,
        )
        return await _call_on_record(JourneyActivities.perform_step, request, f"do {command.step}")

    async def record_position(self, position: Position, move: int) -> None:
        """Record a position that no other activity has recorded."""
        await self._call(
            JourneyActivities.record_position,
            PositionUpdate(self._journey_id, position, move, workflow.now()),
            f"rests at {position.step}",
        )

    async def finish(self, outcome: str) -> str:
        """Record an end that nothing else has recorded; return the outcome that holds.

        It differs if the row was ended meanwhile. Without a row, the workflow's own outcome holds.
        """
        held = await self._call(
            JourneyActivities.finish_journey,
            FinishRequest(self._journey_id, outcome, workflow.now()),
            f"record the end: {outcome}",
        )
        return held or outcome

    async def move(self, move: MoveRequest) -> MigrationOutcome | None:
        """Move the row to another version; None if it is on yet another."""
        return await _call_on_record(
            JourneyActivities.move_journey,
            move,
            f"go on at {move.ref.step} under version {move.ref.to_version}",
        )

    async def keep(self, stay: StayRequest) -> None:
        """Record that the journey stays on its version."""
        await _call_on_record(
            JourneyActivities.keep_journey,
            stay,
            f"stay at {stay.ref.step} under version {stay.ref.from_version}",
        )

    async def _call(self, activity: Callable[[Any, Q], Awaitable[T]], request: Q, summary: str) -> T:
        if self._is_local():
            try:
                return await workflow.execute_local_activity_method(
                    activity,
                    request,
                    schedule_to_close_timeout=options.LOCAL_TIMEOUT,
                    retry_policy=options.LOCAL_RETRY,
                    summary=summary,
                )
            except FailureError as error:
                # Not an ActivityError around it, as that of a regular activity.
                if is_cancelled_exception(error):
                    raise
        return await _call_on_record(activity, request, summary)


def _queue(command: Dispatch) -> str:
    """Return the queue of a send; earlier releases know the channel's only."""
    task_queue = workflow.info().task_queue
    if command.paced_by is not None and workflow.patched(PROVIDER_QUEUES):
        return options.provider_queue(task_queue, command.channel, command.paced_by)
    return options.send_queue(task_queue, command.channel)


async def _call_on_record(activity: Callable[[Any, Q], Awaitable[T]], request: Q, summary: str) -> T:
    """Run a regular activity, whose call the history records before any change."""
    return await workflow.execute_activity_method(
        activity,
        request,
        start_to_close_timeout=options.DECISION_TIMEOUT,
        retry_policy=options.DECISION_RETRY,
        summary=summary,
    )
