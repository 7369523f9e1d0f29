"""What a journey asks of the world."""

import asyncio
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from temporalio import activity

from application.migrations import MoveRequest, StayRequest, move, stay
from application.send import Sender, SendOutcome
from application.step_decisions import StepDecisions
from domain.journey.migration import MigrationOutcome
from domain.journey.position import NextPositions, Position
from domain.journey.protocol import Unreadable
from domain.journey.records import Ending
from domain.journey.requests import ActionRequest, AuthorizeRequest, BranchRequest, DelayRequest
from domain.journey.state import COMPLETED
from domain.sending.policy import Answer
from store import journeys
from store.database import Database

# How often an attempt to send says that it lives, in seconds. Most are over before that, and none of it is billed.
SIGN_OF_LIFE = 5.0


class SendRequest(Struct, frozen=True):
    """A granted message to be sent. `at` is the instant on the journey's clock at which this was asked for."""

    message_id: UUID
    at: datetime
    ends_with: str | None
    next_positions: NextPositions


class FinishRequest(Struct, frozen=True):
    """A journey that is over, with what outcome and when."""

    journey_id: UUID
    outcome: str
    at: datetime


class PositionUpdate(Struct, frozen=True):
    """A journey that rests where nothing has told its row. `move` counts what may move it."""

    journey_id: UUID
    position: Position
    move: int
    at: datetime


class JourneyActivities:
    """The activities of the journeys' own task queue."""

    def __init__(self, database: Database, step_decisions: StepDecisions) -> None:
        self._database = database
        self._step_decisions = step_decisions

    @activity.defn
    async def authorize_send(self, request: AuthorizeRequest) -> Answer:
        """The shared gate: may this message go now, under the caps of all campaigns?"""
        return await self._step_decisions.authorize(request)

    @activity.defn
    async def evaluate_branch(self, request: BranchRequest) -> int | None:
        """The index of the case or arm to follow; None for otherwise."""
        return await self._step_decisions.choose(request)

    @activity.defn
    async def look_up_delay(self, request: DelayRequest) -> datetime | Unreadable | None:
        """The instant until which a delay rests; None where there is no such date, or Unreadable."""
        return await self._step_decisions.look_up(request)

    @activity.defn
    async def perform_step(self, request: ActionRequest) -> bool:
        """Update the profile, set the stage or report an event. True if the journey had been ended before."""
        return await self._step_decisions.perform(request)

    @activity.defn
    async def record_position(self, update: PositionUpdate) -> None:
        """Say where a journey rests that got there by no activity."""
        async with self._database.transaction() as connection:
            await journeys.place(connection, update.journey_id, update.position, update.move, update.at)

    @activity.defn
    async def finish_journey(self, request: FinishRequest) -> str | None:
        """Record the end of a journey that no event, message or refusal has recorded; the outcome that then holds.

        It is another where the journey was ended meanwhile. None if there is no such journey.
        """
        ending = Ending(request.journey_id, COMPLETED, request.outcome, None, request.at)
        async with self._database.transaction() as connection:
            await journeys.end(connection, [ending])
            return await journeys.outcome(connection, request.journey_id)

    @activity.defn
    async def move_journey(self, request: MoveRequest) -> MigrationOutcome | None:
        """Move the row of a journey to another version, unless it is over; None if it is on yet another."""
        async with self._database.transaction() as connection:
            return await move(connection, request)

    @activity.defn
    async def keep_journey(self, request: StayRequest) -> None:
        """Record of a journey that it stays on its version, though it was to move."""
        async with self._database.transaction() as connection:
            await stay(connection, request)


class SendActivities:
    """The activities of a channel's task queue."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._under_way: set[asyncio.Task[SendOutcome]] = set()

    @activity.defn
    async def send_message(self, request: SendRequest) -> SendOutcome:
        """One attempt to send a granted message. The journey's clock goes on while attempts are repeated."""
        info = activity.info()
        at = request.at + (info.started_time - info.scheduled_time)
        sending = asyncio.create_task(
            self._sender.send(
                request.message_id,
                at=at,
                dated=request.at,
                ends_with=request.ends_with,
                next_positions=request.next_positions,
            )
        )
        # What a provider may have cannot be taken back: whoever cancels this attempt does not cancel that.
        self._under_way.add(sending)
        sending.add_done_callback(self._under_way.discard)
        while not (await asyncio.wait([sending], timeout=SIGN_OF_LIFE))[0]:
            activity.heartbeat()
        return sending.result()
