"""Messages between the machine and the workflow: commands, and facts in return."""

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from domain.campaign.plan import MessagePriority
from domain.sending.claim import AttemptState
from domain.sending.gate_answers import Answer, MembersAnswer

# Commands: the next task of the workflow.


class SleepUntil(Struct, frozen=True):
    """Rest until an instant. `why` is shown to engineers."""

    until: datetime
    why: str


class AwaitMatch(Struct, frozen=True):
    """Rest until a subscription of the step matches, at most until the instant."""

    until: datetime


class AwaitResume(Struct, frozen=True):
    """Rest until a resumption or a release, at most until the instant if given."""

    until: datetime | None = None


class Authorize(Struct, frozen=True):
    """Ask the gate. A refusal ends the journey with `ends_with`, if there is one."""

    step: str
    visit: int
    attempt: int
    reached_at: datetime
    ends_with: str | None


class AuthorizeMembers(Struct, frozen=True):
    """Ask the gate about the next page of members, after a profile."""

    step: str
    visit: int
    attempt: int
    reached_at: datetime
    after: str | None


class DispatchMembers(Struct, frozen=True):
    """Send the messages of a page of members, some in the queues of their providers."""

    message_ids: tuple[str, ...]
    channel: str
    category: str
    priority: MessagePriority
    paced_by: Mapping[str, str] = {}


class Dispatch(Struct, frozen=True):
    """Send the message. With `ends_with`, its outcome ends the journey.

    `paced_by` is its provider if that has a queue of its own.
    """

    message_id: str
    channel: str
    category: str
    priority: MessagePriority
    ends_with: str | None
    paced_by: str | None = None


class Evaluate(Struct, frozen=True):
    """Evaluate the conditions of a branch or a repetition, or draw an arm."""

    step: str


class LookUp(Struct, frozen=True):
    """Look up the end of a delay whose step was reached at `reached_at`."""

    step: str
    visit: int
    attempt: int
    reached_at: datetime


class Perform(Struct, frozen=True):
    """Perform the action. It ends the journey with `ends_with`, if there is one."""

    step: str
    visit: int
    ends_with: str | None


class Finish(Struct, frozen=True):
    """End the journey. With `recorded`, the database has the outcome already."""

    outcome: str
    recorded: bool


Command = (
    SleepUntil
    | AwaitMatch
    | AwaitResume
    | Authorize
    | Dispatch
    | AuthorizeMembers
    | DispatchMembers
    | Evaluate
    | LookUp
    | Perform
    | Finish
)


# Facts: what the workflow reports.


class Woke(Struct, frozen=True):
    """The rest is over."""


class Matched(Struct, frozen=True):
    """An event matched a subscription of this journey."""

    subscription: str
    event_id: str


class Resumed(Struct, frozen=True):
    """The campaign runs again, or a hold of the person was released."""


class Skipped(Struct, frozen=True):
    """An operator ends the wait at this step."""

    step: str


class Answered(Struct, frozen=True):
    """The gate has answered."""

    answer: Answer


class Settled(Struct, frozen=True):
    """The message has its outcome. The gate is asked again for a postponed one."""

    outcome: AttemptState
    journey_ended: bool


class MembersAnswered(Struct, frozen=True):
    """The gate has answered about a page of members."""

    answer: MembersAnswer


class MembersSettled(Struct, frozen=True):
    """The messages of a page have their outcomes.

    The gate is asked again for postponed ones.
    """

    outcomes: tuple[AttemptState, ...]
    journey_ended: bool


class Evaluated(Struct, frozen=True):
    """The index of the case that holds, or of the drawn arm; None if no case holds."""

    case: int | None


class Unreadable(Struct, frozen=True, tag=True):
    """The answer of a look-up whose value is not a date."""


class LookedUp(Struct, frozen=True):
    """The end of a delay; None without a date, Unreadable if the value is not a date."""

    until: datetime | Unreadable | None


class Performed(Struct, frozen=True):
    """The action is done, or nothing if the journey had ended before."""

    journey_ended: bool


class Exited(Struct, frozen=True):
    """An exit event or a request has ended the journey, also in the database."""

    reason: str


Fact = (
    Woke
    | Matched
    | Resumed
    | Skipped
    | Answered
    | Settled
    | MembersAnswered
    | MembersSettled
    | Evaluated
    | LookedUp
    | Performed
    | Exited
)
