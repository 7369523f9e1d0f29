"""What the machine and the workflow say to each other: commands one way, facts the other."""

from datetime import datetime

from msgspec import Struct

from domain.campaign.plan import MessagePriority
from domain.sending.claim import AttemptState
from domain.sending.policy import Answer

# Commands: what the workflow is to do next.


class SleepUntil(Struct, frozen=True):
    """Rest until an instant. `why` is for the engineer who looks."""

    until: datetime
    why: str


class AwaitMatch(Struct, frozen=True):
    """Rest until an event matches that the step waits for, or until the instant has come."""

    until: datetime


class AwaitResume(Struct, frozen=True):
    """Rest until the campaign is resumed, or until the instant has come, if there is one."""

    until: datetime | None = None


class Authorize(Struct, frozen=True):
    """Ask the gate. If it refuses, the journey is over with the outcome `ends_with`, unless that is None."""

    step: str
    visit: int
    attempt: int
    reached_at: datetime
    ends_with: str | None


class Dispatch(Struct, frozen=True):
    """Send the message. When it has settled, the journey is over with the outcome `ends_with`, unless that is None."""

    message_id: str
    channel: str
    category: str
    priority: MessagePriority
    ends_with: str | None


class Evaluate(Struct, frozen=True):
    """Have the conditions of a branch or a repetition evaluated, or an arm drawn."""

    step: str


class LookUp(Struct, frozen=True):
    """Have the instant looked up until which a delay rests; the step was reached at `reached_at`."""

    step: str
    visit: int
    attempt: int
    reached_at: datetime


class Perform(Struct, frozen=True):
    """Have the step's action done. The journey is over then with the outcome `ends_with`, unless that is None."""

    step: str
    visit: int
    ends_with: str | None


class Finish(Struct, frozen=True):
    """The journey is over. `recorded` says that the database knows the outcome already."""

    outcome: str
    recorded: bool


Command = SleepUntil | AwaitMatch | AwaitResume | Authorize | Dispatch | Evaluate | LookUp | Perform | Finish


# Facts: what has happened, as the workflow reports it.


class Woke(Struct, frozen=True):
    """The rest is over."""


class Matched(Struct, frozen=True):
    """An event matched a subscription of this journey."""

    subscription: str
    event_id: str


class Resumed(Struct, frozen=True):
    """The campaign runs again."""


class Skipped(Struct, frozen=True):
    """An operator wants the journey to wait no longer at this step."""

    step: str


class Answered(Struct, frozen=True):
    """The gate has answered."""

    answer: Answer


class Settled(Struct, frozen=True):
    """The message has its outcome: sent, failed, cancelled or unknown. One that is postponed is asked for again."""

    outcome: AttemptState
    journey_ended: bool


class Evaluated(Struct, frozen=True):
    """The index of the case that holds, or of the arm that was drawn; None where none holds."""

    case: int | None


class Unreadable(Struct, frozen=True, tag=True):
    """The answer of a look-up that found a value, and no date in it."""


class LookedUp(Struct, frozen=True):
    """The instant until which a delay rests; None where there is no date, Unreadable where the value names none."""

    until: datetime | Unreadable | None


class Performed(Struct, frozen=True):
    """The step's action is done; where the journey had been ended before, nothing was."""

    journey_ended: bool


class Exited(Struct, frozen=True):
    """An exit event or a request has ended the journey. The database knows."""

    reason: str


Fact = Woke | Matched | Resumed | Skipped | Answered | Settled | Evaluated | LookedUp | Performed | Exited
