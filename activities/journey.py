"""The activities of a journey's workflow."""

import asyncio
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from temporalio import activity

from application.message_outcomes import SendOutcome
from application.migrations import MoveRequest, StayRequest, move, stay
from application.send import Sender
from application.step_decisions import StepDecisions
from domain.journey.migration import MigrationOutcome
from domain.journey.position import NextPositions, Position
from domain.journey.protocol import Unreadable
from domain.journey.records import Ending
from domain.journey.requests import ActionRequest, AuthorizeRequest, BranchRequest, DelayRequest, MembersRequest
from domain.journey.state import COMPLETED
from domain.sending.gate_answers import Answer, MembersAnswer
from store import journeys
from store.database import Database

# The interval of an attempt's heartbeats, in seconds. Most attempts are shorter, and heartbeats are not billed.
SIGN_OF_LIFE = 5.0


class SendRequest(Struct, frozen=True):
    """A granted message to send, and the instant of the request."""

    message_id: UUID
    at: datetime
    ends_with: str | None
    next_positions: NextPositions


class FinishRequest(Struct, frozen=True):
    """A journey that is over, with outcome and time."""

    journey_id: UUID
    outcome: str
    at: datetime


class PositionUpdate(Struct, frozen=True):
    """A journey's position that no activity has recorded. `move` counts its moves."""

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
        """Ask the shared gate whether this message may go now, under all caps."""
        return await self._step_decisions.authorize(request)

    @activity.defn
    async def authorize_members(self, request: MembersRequest) -> MembersAnswer:
        """Ask the shared gate to which members of the next page a message may go."""
        return await self._step_decisions.authorize_members(request)

    @activity.defn
    async def evaluate_branch(self, request: BranchRequest) -> int | None:
        """Return the index of the case or arm to follow; None for `otherwise`."""
        return await self._step_decisions.choose(request)

    @activity.defn
    async def look_up_delay(self, request: DelayRequest) -> datetime | Unreadable | None:
        """Return the end of a delay; None without a date, or Unreadable."""
        return await self._step_decisions.look_up(request)

    @activity.defn
    async def perform_step(self, request: ActionRequest) -> bool:
        """Update the profile, set the stage or report an event; True if already ended."""
        return await self._step_decisions.perform(request)

    @activity.defn
    async def record_position(self, update: PositionUpdate) -> None:
        """Record a position that the journey reached without an activity."""
        async with self._database.transaction() as connection:
            await journeys.place(connection, update.journey_id, update.position, update.move, update.at)

    @activity.defn
    async def finish_journey(self, request: FinishRequest) -> str | None:
        """Record an end that nothing else has recorded; return the outcome that holds.

        It differs if the journey ended meanwhile. None if there is no such journey.
        """
        ending = Ending(request.journey_id, COMPLETED, request.outcome, None, request.at)
        async with self._database.transaction() as connection:
            await journeys.end(connection, [ending])
            return await journeys.outcome(connection, request.journey_id)

    @activity.defn
    async def move_journey(self, request: MoveRequest) -> MigrationOutcome | None:
        """Set a journey's version unless it is over; None if it is on yet another."""
        async with self._database.transaction() as connection:
            return await move(connection, request)

    @activity.defn
    async def keep_journey(self, request: StayRequest) -> None:
        """Record that a journey stays on its version instead of migrating."""
        async with self._database.transaction() as connection:
            await stay(connection, request)


class SendActivities:
    """The activities of a channel's task queue."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._under_way: set[asyncio.Task[SendOutcome]] = set()

    @activity.defn
    async def send_message(self, request: SendRequest) -> SendOutcome:
        """Make one attempt to send a granted message.

        The journey's clock goes on between attempts.
        """
        info = activity.info()
        at = request.at + (info.started_time - info.scheduled_time)
        sending = asyncio.create_task(
            self._sender.send(
                request.message_id,
                at=at,
                ends_with=request.ends_with,
                next_positions=request.next_positions,
            )
        )
        # A provider may have the message, so a cancellation of this attempt must not cancel the delivery.
        self._under_way.add(sending)
        sending.add_done_callback(self._under_way.discard)
        while not (await asyncio.wait([sending], timeout=SIGN_OF_LIFE))[0]:
            activity.heartbeat()
        return sending.result()
