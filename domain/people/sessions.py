"""Sessions: activity of a person without SILENCE in between, by event time.

The events of a person come in any order, and most only prolong a session. So the state is coarse: `last_seen` moves in
steps of LAST_SEEN_STEP, and a burst of events changes it once.

An event is late if it is older than the open session, or precedes the end of the last one that is over. A late event
starts no session and reopens none: at most it moves the start of the open session, and `first_seen`.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from domain.people.client_context import Platform, find_platform
from domain.people.marks import Marks, add_marks, merge_marks
from domain.tracking.event import Event

# As in Google Analytics and Segment.
SILENCE: Final = timedelta(minutes=30)
LAST_SEEN_STEP: Final = timedelta(minutes=5)


class Session(Struct, frozen=True):
    """A session that is over, from its first to its last event."""

    started_at: datetime
    last_at: datetime

    @property
    def ended_at(self) -> datetime:
        """The end of the silence that ended it."""
        return self.last_at + SILENCE


class Activity(Struct, frozen=True):
    """When a person was there, and what their clients stated.

    The last event is at `active_until`, as far as is known, which is not stored; `last_seen` is at most LAST_SEEN_STEP
    earlier. `session_started_at` is the start of the last session, and `ended_at` the end of the last session that is
    over; a later `ended_at` means that the last one is over. `ends_at` is when to look whether the open session is
    over; None if no rule hears its end. `opened` are the platforms that the session has used.
    """

    first_seen: datetime
    last_seen: datetime
    sessions: int
    session_started_at: datetime
    active_until: datetime
    ended_at: datetime | None = None
    ends_at: datetime | None = None
    opened: tuple[Platform, ...] = ()
    marks: Marks = {}

    @property
    def is_over(self) -> bool:
        """Whether the last session is known to be over."""
        return self.ended_at is not None and self.ended_at > self.session_started_at

    def is_stored_as(self, other: "Activity") -> bool:
        """Whether both have the same row."""
        return replace(self, active_until=other.active_until) == other

    def value(self, name: str) -> Any:
        """Return a value that clients said; None if none did."""
        found = self.marks.get(name)
        return None if found is None else found[1]


class ActivityUpdate(Struct, frozen=True):
    """The activity after an event, the session it shows to be over, what it opens."""

    activity: Activity
    ended: Session | None = None
    opened: Platform | None = None


def observe(known: Activity | None, event: Event, at: datetime, *, awaits_end: bool) -> ActivityUpdate:
    """Return a person's activity with one more event.

    `awaits_end` says that a rule hears the ends of sessions. History counts, and its sessions are not reported.
    """
    platform = None if event.is_history else find_platform(event)
    opened: tuple[Platform, ...] = () if platform is None else (platform,)
    awaits_end = awaits_end and not event.is_history
    if known is None:
        marks = add_marks({}, event, at)
        started = Activity(at, at, 1, at, at, None, at + SILENCE if awaits_end else None, opened, marks)
        return ActivityUpdate(started, opened=platform)
    marks = add_marks(known.marks, event, at)
    first_seen = min(known.first_seen, at)
    over_at = known.ended_at if known.is_over and known.ended_at else known.active_until + SILENCE
    if at >= over_at:
        ended = None if known.ends_at is None else Session(known.session_started_at, known.active_until)
        ends_at = at + SILENCE if awaits_end else None
        number = known.sessions + 1
        return ActivityUpdate(
            Activity(first_seen, at, number, at, max(at, known.active_until), over_at, ends_at, opened, marks),
            None if known.is_over else ended,
            platform,
        )
    last_seen = at if at >= known.last_seen + LAST_SEEN_STEP else known.last_seen
    active_until = max(known.active_until, at)
    after = replace(known, first_seen=first_seen, last_seen=last_seen, active_until=active_until, marks=marks)
    if known.is_over:
        return ActivityUpdate(after)
    if _is_just_before(known, at):
        after = replace(after, session_started_at=at)
    elif at < known.session_started_at:
        return ActivityUpdate(after)
    if awaits_end and (known.ends_at is None or last_seen != known.last_seen):
        after = replace(after, ends_at=last_seen + SILENCE)
    if platform is None or platform in known.opened:
        return ActivityUpdate(after)
    return ActivityUpdate(replace(after, opened=(*known.opened, platform)), opened=platform)


def end(known: Activity, last_at: datetime) -> Activity:
    """Return the activity after its open session has ended."""
    return replace(known, ended_at=last_at + SILENCE, ends_at=None)


def merge(one: Activity, other: Activity) -> Activity:
    """Merge the activity of two people; sessions add up.

    Two sessions that are open at the same time are one.
    """
    other, current = sorted((one, other), key=lambda each: (not each.is_over, each.session_started_at, each.last_seen))
    is_one = not other.is_over and not current.is_over and current.session_started_at < other.active_until + SILENCE
    start = other.session_started_at if is_one else current.session_started_at
    ends = [each.ends_at for each in (current, other) if each.ends_at is not None]
    return Activity(
        first_seen=min(current.first_seen, other.first_seen),
        last_seen=max(current.last_seen, other.last_seen),
        sessions=current.sessions + other.sessions - is_one,
        session_started_at=start,
        active_until=max(current.active_until, other.active_until),
        ended_at=current.ended_at if current.is_over else _merge_ends(current, other, start),
        ends_at=max(ends, default=None) if is_one else current.ends_at,
        opened=tuple(dict.fromkeys((*other.opened, *current.opened))) if is_one else current.opened,
        marks=merge_marks(current.marks, other.marks),
    )


def _merge_ends(current: Activity, other: Activity, start: datetime) -> datetime | None:
    """Return the last end of a session before the open one, which starts at `start`."""
    of_other = other.ended_at if other.is_over or other.session_started_at >= start else other.active_until + SILENCE
    ends = [min(at, start) for at in (current.ended_at, of_other) if at is not None]
    return max(ends, default=None)


def _is_just_before(known: Activity, at: datetime) -> bool:
    return (
        at < known.session_started_at
        and known.session_started_at - at < SILENCE
        and (known.ended_at is None or at >= known.ended_at)
    )
