"""Retries of failed messages: which are selected, and which step each repeats."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid5

from msgspec import Struct

from domain.campaign.plan import Message, Plan, SendMembers
from domain.campaign.rules import Rules
from domain.journey.listeners import list_exits
from domain.tracking.event import DERIVED, Trigger

# Why a failed message of a selection is not retried. `suppressed` is a forecast: an operation has the gate say so.
RetryObstacle = Literal["retried_before", "expired", "campaign_not_running", "journey_ended", "suppressed"]


class RetryFilter(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A filter of failed messages whose given fields must all match.

    `since` is the first instant of their failures that counts, `until` the first that does not.
    """

    campaign: str | None = None
    step: str | None = None
    channel: str | None = None
    provider: str | None = None
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class RetryRequest(Struct, frozen=True):
    """Ask whether the retry of a failed message may go, for an operation.

    `attempt` counts the requests. Those with the same message, operation and attempt get the same answer.
    """

    message_id: UUID
    operation: UUID
    attempt: int
    at: datetime

    @property
    def decision_id(self) -> UUID:
        return self._id_of(self.attempt)

    @property
    def previous_decision_id(self) -> UUID:
        """The id of the decision on the attempt before this one."""
        return self._id_of(self.attempt - 1)

    @property
    def retry_id(self) -> UUID:
        """The id of the only retry of the message, under which no provider knows it.

        One that was cancelled before it was handed over may be granted anew, for another operation.
        """
        return uuid5(self.message_id, "retry")

    def _id_of(self, attempt: int) -> UUID:
        return uuid5(self.message_id, f"retry/{self.operation}/{attempt}")


class RetriedJourney(Struct, frozen=True):
    """The journey of a retried message once it has completed.

    `is_exiting` says that the journeys of its version were ended.
    """

    profile_id: UUID
    account_id: str | None
    ended_recorded_at: datetime
    is_exiting: bool


def find_repeated_step(plan: Plan, failed: Plan, step: str) -> Message | None:
    """Return the step of a plan that a retry repeats; None if it sends something else.

    `failed` is the plan by which the message failed.
    """
    found, before = plan.nodes.get(step), failed.nodes.get(step)
    if not isinstance(found, Message) or not isinstance(before, Message) or found.channel != before.channel:
        return None
    if isinstance(found, SendMembers) != isinstance(before, SendMembers):
        return None
    return found


def find_exits(rules: Iterable[Rules]) -> frozenset[Trigger]:
    """Return the triggers that end the journeys of some versions."""
    return frozenset(exit.trigger for one in rules for exit in list_exits(one))


def may_have_been_missed(exits: Iterable[Trigger], account_id: str | None) -> bool:
    """Whether an exit of a completed journey may leave no event of its person.

    Derived events are stored only while something listens, and an account's journey ends by events of any member.
    """
    return any(account_id is not None or exit.kind in DERIVED for exit in exits)
