"""The state of a journey: one value with everything that must survive."""

from datetime import datetime
from typing import Final, Literal

from msgspec import Struct, field

ACTIVE: Final = "active"
COMPLETED: Final = "completed"
EXITED: Final = "exited"
CAPPED: Final = "capped"
OVER_BUDGET: Final = "over_budget"
# The refusals of messages about which `on_capped` of their step decides.
CAP_REASONS: Final = (CAPPED, OVER_BUDGET)
CANCELLED: Final = "cancelled"
SCHEDULE_ENDED: Final = "schedule-ended"
# Entries of the history: enough to understand a journey, few enough to keep the state small.
HISTORY_LENGTH = 20

# States of a journey's row, at its end and in general. The outcome says why it ended.
EndState = Literal["completed", "exited"]
StoredState = Literal["active", "completed", "exited"]
# The activity of an active journey at its step.
JourneyStatus = Literal["waiting", "deferred", "held", "acting"]
# Parts of a step.
Phase = Literal["deciding", "deferred", "held", "granted", "resting"]


class Match(Struct, frozen=True, omit_defaults=True):
    """The last event that matched a subscription, and when the journey received it."""

    event_id: str
    at: datetime


class HistoryEntry(Struct, frozen=True, omit_defaults=True):
    """A line of the history: shown to engineers, never used for decisions."""

    at: datetime
    step: str
    what: str


class Round(Struct, frozen=True, omit_defaults=True):
    """The progress of a repetition: since when an event may end it, rounds done.

    `consumed_event` ended something before the repetition was entered, so it does not end this as well.
    """

    since: datetime
    done: int = 0
    consumed_event: str | None = None


class MembersRound(Struct, frozen=True, omit_defaults=True):
    """The progress of a step that sends to the members of an account.

    `after` is the cursor of the next page; None before the first one, and after the last one with `is_last`.
    `message_ids` are those of the page that is being sent, `paced_by` their providers with a queue. `until` is the
    earliest end of the deferrals and holds so far, at which the next round begins; one begins at once if a message
    `is_postponed`. With `is_held`, a member is on hold, whose release begins it as well.
    """

    after: str | None = None
    is_last: bool = False
    message_ids: tuple[str, ...] = ()
    until: datetime | None = None
    is_postponed: bool = False
    is_held: bool = False
    paced_by: dict[str, str] = {}


class JourneyState(Struct, frozen=True, omit_defaults=True):
    """The state of a journey.

    `seed` makes draws stable for a user. `step` is None at the end of the flow. `until` is the end of the present rest.
    `phase` is the part of a step: "deciding", for a send then "deferred", "held" or "granted", for a repetition or a
    delay until a date "resting". `attempt` counts the requests of this visit. `loops` are the repetitions around the
    step. `consumed_event` ended the last wait or repetition; it ends none that begins later. `members` is the progress
    of a step that sends to members. `paced_by` is the provider of the granted message, if it has a queue, `channel` the
    one that was chosen for it, and with `has_fallback` another one may follow. `outcome` is set once the journey is
    over; with `recorded`, the database has it already.
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
    members: MembersRound | None = None
    paced_by: str | None = None
    channel: str | None = None
    has_fallback: bool = False
