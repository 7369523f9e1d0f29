"""Requests of a journey that are decided from the database, with their ids."""

from datetime import datetime
from uuid import UUID, uuid5

from msgspec import Struct

from domain.journey.position import NextPositions


class AuthorizeRequest(Struct, frozen=True):
    """Ask whether a message may go. `at` and `reached_at` are on the journey's clock.

    `attempt` counts the requests of one visit. Requests with the same journey, step, visit and attempt are the same,
    and get the same answer. A refusal ends the journey with the outcome `ends_with`, unless that is None.
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
        """The id of the decision on the attempt before this one."""
        return self._id_of(self.attempt - 1)

    @property
    def message_id(self) -> UUID:
        return uuid5(self.journey_id, f"{self.step}/{self.visit}")

    def _id_of(self, attempt: int) -> UUID:
        return uuid5(self.journey_id, f"{self.step}/{self.visit}/{attempt}")


class MembersRequest(Struct, frozen=True):
    """Ask to which members of the next page a message may go.

    The page begins after the profile `after`; None is the first page. A decision about all members at once has the id
    `decision_id`. A member has one message a visit; a refusal of theirs is final for it.
    """

    journey_id: UUID
    step: str
    visit: int
    attempt: int
    reached_at: datetime
    at: datetime
    after: UUID | None
    next_positions: NextPositions

    @property
    def decision_id(self) -> UUID:
        return self._id_of(str(self.attempt))

    @property
    def previous_decision_id(self) -> UUID:
        """The id of the decision on the attempt before this one."""
        return self._id_of(str(self.attempt - 1))

    def message_id(self, profile_id: UUID) -> UUID:
        """Return the id of a member's message."""
        return self._id_of(str(profile_id))

    def refusal_id(self, profile_id: UUID) -> UUID:
        """Return the id of the refusal of a member's message."""
        return self._id_of(f"{profile_id}/refused")

    def member_decision_id(self, profile_id: UUID) -> UUID:
        """Return the id of another decision on a member's message, in this attempt."""
        return self._id_of(f"{profile_id}/{self.attempt}")

    def _id_of(self, name: str) -> UUID:
        return uuid5(self.journey_id, f"{self.step}/{self.visit}/{name}")


class BranchRequest(Struct, frozen=True):
    """Ask which way the journey goes. `visits` counts its visits of each step."""

    journey_id: UUID
    step: str
    at: datetime
    visits: dict[str, int]
    next_positions: NextPositions

    @property
    def decision_id(self) -> UUID:
        return uuid5(self.journey_id, f"{self.step}/{self.visits.get(self.step, 0)}/branch")


class DelayRequest(Struct, frozen=True):
    """Ask until when a step rests. `attempt` counts the requests of this visit."""

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
    """Perform an action, which ends the journey with `ends_with`, unless that is None."""

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
        """Return the id of an event of the action, by its number from 0."""
        name = f"{self.step}/{self.visit}/event"
        return uuid5(self.journey_id, name if number == 0 else f"{name}/{number}")


StepRequest = AuthorizeRequest | BranchRequest | DelayRequest | ActionRequest
