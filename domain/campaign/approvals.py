"""Approvals: a campaign that may reach many people waits for another person."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Final, Literal

from msgspec import Struct

# The changes that let a campaign reach people: a version lets users in, by a request or by its schedule; held messages
# go on; a repeated audience enters; an audience that has grown while it entered goes on.
ApprovalAction = Literal["start", "begin", "resume", "enter", "continue"]
START: Final = "start"
BEGIN: Final = "begin"
RESUME: Final = "resume"
ENTER: Final = "enter"
CONTINUE: Final = "continue"
# They become due, and are requested in the name of the person who last let users in.
DUE_BY_ITSELF: Final = (BEGIN, ENTER, CONTINUE)

# `outdated`: the campaign or its entry was changed since, or a later request took its place.
ApprovalState = Literal["waiting", "approved", "rejected", "expired", "outdated"]
# The states that are stored; none while it can be decided.
ApprovalDecision = Literal["approved", "rejected", "expired", "outdated"]
WAITING: Final = "waiting"

# How long a request can be approved: its numbers are those of its day.
VALID_FOR: Final = timedelta(days=7)
# An approved version may grow so many times before it needs another approval: no audience is the same each day.
MAX_GROWTH: Final = 2


class Reach(Struct, frozen=True):
    """How many people a version may reach at most.

    `entering` are those who may enter by it, `in_flight` those whose journeys go on by it.
    """

    version: int
    entering: int
    in_flight: int = 0

    @property
    def people(self) -> int:
        return self.entering + self.in_flight


class ForeseenApproval(Struct, frozen=True):
    """An approval that a change will wait for: of so many people, beyond a number."""

    people: int
    above: int


class PendingApproval(Struct, frozen=True):
    """A change that waits for another person, until it expires."""

    action: ApprovalAction
    people: int
    expires_at: datetime


def needs_approval(people: int, above: int, approved: int = 0) -> bool:
    """Return whether so many people need an approval beyond the `approved` ones."""
    return people > most_people(above, approved)


def most_people(above: int, approved: int = 0) -> int:
    """Return how many people need no approval beyond the `approved` ones."""
    return max(above, MAX_GROWTH * approved)


def is_same_person(one: str, other: str, makers: Mapping[str, Collection[str]]) -> bool:
    """Return whether two actors may be one person: one of them has made the other.

    `makers` are the actors that have made each, and those that have made them.
    """
    return one == other or one in makers.get(other, ()) or other in makers.get(one, ())
