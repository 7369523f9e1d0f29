"""The requests of a journey that are decided from the database, with the ids that their answers are kept under."""

from datetime import datetime
from uuid import UUID, uuid5

from msgspec import Struct

from domain.journey.position import NextPositions


class AuthorizeRequest(Struct, frozen=True):
    """May this step's message go? `at` is the instant on the journey's clock, `reached_at` when the step was reached.

    `attempt` counts the requests of one visit; the same four ids are the same request, and get the same answer.
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

    @property
    def decision_id(self) -> UUID:
        return self._id_of(self.attempt)

    @property
    def previous_decision_id(self) -> UUID:
        """The decision on the attempt before this one, if there was one."""
        return self._id_of(self.attempt - 1)

    @property
    def message_id(self) -> UUID:
        return uuid5(self.journey_id, f"{self.step}/{self.visit}")

    def _id_of(self, attempt: int) -> UUID:
        return uuid5(self.journey_id, f"{self.step}/{self.visit}/{attempt}")


class BranchRequest(Struct, frozen=True):
    """Which way does the journey go here? `visits` says how often it was at each step."""

    journey_id: UUID
    step: str
    at: datetime
    visits: dict[str, int]
    next_positions: NextPositions

    @property
    def decision_id(self) -> UUID:
        return uuid5(self.journey_id, f"{self.step}/{self.visits.get(self.step, 0)}/branch")


class DelayRequest(Struct, frozen=True):
    """Until when does this step rest? It was reached at `reached_at`; `attempt` counts the requests of this visit."""

    journey_id: UUID
    step: str
    visit: int
    attempt: int
    reached_at: datetime
    at: datetime
    next_positions: NextPositions

    @property
    def decision_id(self) -> UUID:
        return uuid5(self.journey_id, f"{self.step}/{self.visit}/{self.attempt}/delay")


class ActionRequest(Struct, frozen=True):
    """Do this step's action. `ends_with` is the outcome with which the journey is over then; None if it goes on."""

    journey_id: UUID
    step: str
    visit: int
    at: datetime
    ends_with: str | None
    visits: dict[str, int]
    next_positions: NextPositions

    @property
    def decision_id(self) -> UUID:
        return uuid5(self.journey_id, f"{self.step}/{self.visit}/act")

    def event_id(self, number: int) -> UUID:
        """The id of the event that the action reports as its first (0), second and so on."""
        name = f"{self.step}/{self.visit}/event"
        return uuid5(self.journey_id, name if number == 0 else f"{name}/{number}")


StepRequest = AuthorizeRequest | BranchRequest | DelayRequest | ActionRequest
