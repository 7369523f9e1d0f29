"""Where a journey stands: one value, which is everything that must survive."""

from datetime import datetime
from typing import Final, Literal

from msgspec import Struct, field

ACTIVE: Final = "active"
COMPLETED: Final = "completed"
EXITED: Final = "exited"
CAPPED: Final = "capped"
CANCELLED: Final = "cancelled"
SCHEDULE_ENDED: Final = "schedule-ended"
# What an engineer sees of the way behind: enough to understand, bounded so that the state stays small.
HISTORY_LENGTH = 20

# How a journey ends, and its state as its row has it. By what it ended, its outcome says.
EndState = Literal["completed", "exited"]
StoredState = Literal["active", "completed", "exited"]
# What an active journey does at its step.
JourneyStatus = Literal["waiting", "deferred", "held", "acting"]
# Parts of a step.
Phase = Literal["deciding", "deferred", "held", "granted", "resting"]


class Match(Struct, frozen=True, omit_defaults=True):
    """The last event that matched a subscription, and when the journey heard of it."""

    event_id: str
    at: datetime


class HistoryEntry(Struct, frozen=True, omit_defaults=True):
    """One thing that the journey did: shown to engineers, never decided upon."""

    at: datetime
    step: str
    what: str


class Round(Struct, frozen=True, omit_defaults=True):
    """Where a repetition stands: since when it listens for the event that ends it, and how many rounds are done.

    `consumed_event` had ended something else before the repetition was entered; it does not end this as well.
    """

    since: datetime
    done: int = 0
    consumed_event: str | None = None


class JourneyState(Struct, frozen=True, omit_defaults=True):
    """Where a journey stands.

    `seed` makes what is drawn by chance stable for a user. `step` is None when the flow has run out. `until` is the end
    of the present rest. `phase` is the part of a step: "deciding", for a send then "deferred", "held" or "granted", for
    a repetition or a delay until a date "resting". `attempt` counts the requests of this visit. `loops` are the
    repetitions that the step lies in. `consumed_event` ended the last wait or repetition; it ends none that begins
    later. `outcome` is set once the journey is over; `recorded` says that the database knows it already.
    """

    step: str | None
    since: datetime
    match_since: datetime
    until: datetime | None = None
    phase: Phase = "deciding"
    reason: str | None = None
    attempt: int = 1
    message_id: str | None = None
    visits: dict[str, int] = field(default_factory=dict)
    matches: dict[str, Match] = field(default_factory=dict)
    consumed_event: str | None = None
    loops: dict[str, Round] = field(default_factory=dict)
    seed: str = ""
    history: tuple[HistoryEntry, ...] = ()
    resumed: bool = False
    outcome: str | None = None
    recorded: bool = False
