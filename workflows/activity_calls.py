"""What a journey asks of the world: an activity for each question, with its patience and its words for the timeline.

A question that is one short transaction is asked within the workflow's own task first, as a local activity: no other
task has to be made for it, and waited for. One attempt that takes too long or fails, and the question is asked as a
regular activity, which is repeated without holding anything up. So a question may be asked twice, and again if the
task is lost: each of them knows by the decision, the position or the end that it has recorded that it was answered.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

from workflows import options

with workflow.unsafe.imports_passed_through():
    from activities.journey import Finished, JourneyActivities, Rested, SendActivities, SendRequest
    from application.actions import Deed
    from application.branches import Fork
    from application.delays import Moment
    from application.gate import Question
    from application.migrations import Move, Stay
    from application.send import SendOutcome
    from domain.journey.migration import Outcome
    from domain.journey.position import Outlook, Position
    from domain.journey.protocol import Authorise, Dispatch, LookUp, Perform, Unreadable
    from domain.sending.policy import Answer


T = TypeVar("T")
Q = TypeVar("Q")


class Asking:
    """Asks for one journey, now. With each question goes where its answers lead, for the journey's row to follow.

    `is_local` says whether a question may be asked at the moment before the history knows of it.
    """

    def __init__(self, journey_id: UUID, campaign: str, is_local: Callable[[], bool]) -> None:
        self._journey_id = journey_id
        self._campaign = campaign
        self._is_local = is_local

    async def authorise(self, command: Authorise, outlook: Outlook) -> Answer:
        """Whether a message may go."""
        question = Question(
            journey_id=self._journey_id,
            step=command.step,
            visit=command.visit,
            ask=command.ask,
            reached_at=command.reached_at,
            at=workflow.now(),
            ends_with=command.ends_with,
            outlook=outlook,
        )
        return await self._ask(JourneyActivities.authorise_send, question, f"may {command.step} go?")

    async def send(self, command: Dispatch, step: str | None, outlook: Outlook) -> SendOutcome:
        """Have a message sent that may go."""
        return await workflow.execute_activity_method(
            SendActivities.send_message,
            SendRequest(UUID(command.message_id), workflow.now(), command.ends_with, outlook),
            task_queue=options.send_queue(workflow.info().task_queue, command.channel),
            start_to_close_timeout=options.SEND_TIMEOUT,
            heartbeat_timeout=options.SEND_HEARTBEAT,
            retry_policy=options.SEND_RETRY,
            priority=options.send_priority(self._campaign, command.category, command.priority),
            summary=f"send {step} by {command.channel}",
        )

    async def evaluate(self, step: str, visits: Mapping[str, int], outlook: Outlook) -> int | None:
        """Which way to go at a fork."""
        return await self._ask(
            JourneyActivities.evaluate_branch,
            Fork(self._journey_id, step, workflow.now(), dict(visits), outlook),
            f"which way at {step}?",
        )

    async def look_up(self, command: LookUp, outlook: Outlook) -> datetime | Unreadable | None:
        """Until when a delay rests."""
        moment = Moment(
            journey_id=self._journey_id,
            step=command.step,
            visit=command.visit,
            ask=command.ask,
            reached_at=command.reached_at,
            at=workflow.now(),
            outlook=outlook,
        )
        return await self._ask(JourneyActivities.look_up_moment, moment, f"until when does {command.step} wait?")

    async def perform(self, command: Perform, visits: Mapping[str, int], outlook: Outlook) -> bool:
        """Have an action done; whether the journey had been ended before."""
        deed = Deed(
            journey_id=self._journey_id,
            step=command.step,
            visit=command.visit,
            at=workflow.now(),
            ends_with=command.ends_with,
            visits=dict(visits),
            outlook=outlook,
        )
        return await _ask_on_record(JourneyActivities.perform_step, deed, f"do {command.step}")

    async def record_position(self, position: Position, move: int) -> None:
        """Tell the journey's row of a rest that no activity has told it of."""
        await self._ask(
            JourneyActivities.record_position,
            Rested(self._journey_id, position, move, workflow.now()),
            f"rests at {position.step}",
        )

    async def finish(self, outcome: str) -> str:
        """Tell the journey's row of an end that nothing has told it of; the outcome that then holds.

        It is another where the row had been ended meanwhile. Without a row, the workflow's own holds.
        """
        held = await self._ask(
            JourneyActivities.finish_journey,
            Finished(self._journey_id, outcome, workflow.now()),
            f"record the end: {outcome}",
        )
        return held or outcome

    async def move(self, move: Move) -> Outcome | None:
        """Go on under another version; None if the row is on yet another."""
        return await _ask_on_record(
            JourneyActivities.move_journey,
            move,
            f"go on at {move.passage.step} under version {move.passage.to_version}",
        )

    async def keep(self, stay: Stay) -> None:
        """Record that the journey stays on its version."""
        await _ask_on_record(
            JourneyActivities.keep_journey,
            stay,
            f"stay at {stay.passage.step} under version {stay.passage.from_version}",
        )

    async def _ask(self, activity: Callable[[Any, Q], Awaitable[T]], question: Q, summary: str) -> T:
        if self._is_local():
            try:
                return await workflow.execute_local_activity_method(
                    activity,
                    question,
                    schedule_to_close_timeout=options.LOCAL_TIMEOUT,
                    retry_policy=options.LOCAL_RETRY,
                    summary=summary,
                )
            except FailureError as error:
                # Not an ActivityError around it, as that of a regular activity.
                if is_cancelled_exception(error):
                    raise
        return await _ask_on_record(activity, question, summary)


async def _ask_on_record(activity: Callable[[Any, Q], Awaitable[T]], question: Q, summary: str) -> T:
    """Ask once the history says so: what changes a profile or a version must not be done for a way that is not gone."""
    return await workflow.execute_activity_method(
        activity,
        question,
        start_to_close_timeout=options.DECISION_TIMEOUT,
        retry_policy=options.DECISION_RETRY,
        summary=summary,
    )
