"""A live feed of a development deployment, read from the records of all users."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from application.explain import timeline_items
from store import recent
from store.database import Database
from store.recent import RecentRecord
from store.timeline import Recorded

LIMIT: Final = 500
# The longest time from a record to its commit, before which it is not visible.
OVERLAP: Final = timedelta(seconds=5)

_EVENTS: Final = {
    ("event", None): "event accepted",
    ("entry", "entered"): "journey entered",
    ("entry", "refused"): "entry refused",
    ("skip", None): "wait skipped",
    ("migrate", "moved"): "journey migrated",
    ("migrate", "kept"): "version kept",
    ("exit", None): "journey exited",
    ("end", None): "journey completed",
    ("goal", None): "goal reached",
    ("reject", "refused"): "call refused",
    ("reject", "left_out"): "value left out",
}


class FeedLine(Struct, frozen=True):
    """An incident of a user.

    `at` is on its own clock, `event` the log event and `facts` its data; `summary` is that of the timeline.
    """

    at: datetime
    event: str
    user: str
    campaign: str | None
    summary: str
    facts: Mapping[str, str]


class ActivityFeed:
    """Reads new records since the last call, beginning after `begin`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._after: datetime | None = None
        self._arrived_after = datetime.min
        self._position: str | None = None
        self._seen: set[tuple[str, str, datetime]] = set()

    async def begin(self) -> None:
        """Skip all existing records."""
        async with self._database.transaction() as connection:
            self._after = await recent.recording_time(connection)
            self._arrived_after = connection.clock.now()

    async def read(self) -> list[FeedLine]:
        """Return the new records, oldest first."""
        if self._after is None:
            raise ValueError("the feed has not begun")
        async with self._database.transaction() as connection:
            position = await recent.write_position(connection)
            if position == self._position:
                return []
            found = await recent.recorded_after(connection, self._after, self._arrived_after, LIMIT)
            is_all = len(found) < LIMIT
            self._position = position if is_all else None
            self._arrived_after = connection.clock.now() if is_all else self._arrived_after
        new = [one for one in found if _key(one) not in self._seen]
        if found:
            newest = found[-1].recorded.recorded_at
            self._after = max(self._after, newest - OVERLAP) if is_all else newest
        self._seen = {_key(one) for one in found if one.recorded.recorded_at > self._after}
        return [_line(one) for one in new]


def _key(record: RecentRecord) -> tuple[str, str, datetime]:
    return record.recorded.kind, record.recorded.key, record.recorded.recorded_at


def _line(record: RecentRecord) -> FeedLine:
    recorded = record.recorded
    [item], _ = timeline_items([recorded], 1, "")
    kind, outcome = recorded.kind, recorded.outcome
    event = _EVENTS.get((kind, outcome)) or _EVENTS.get((kind, None)) or f"message {outcome}"
    facts = {
        "name": item.summary if kind == "event" else None,
        "campaign": recorded.campaign,
        "step": recorded.step,
        "channel": recorded.data.get("channel"),
        "why": _reason(recorded, item.summary),
    }
    told = {name: value for name, value in facts.items() if value}
    return FeedLine(recorded.at, event, record.user, recorded.campaign, item.summary, told)


def _reason(recorded: Recorded, summary: str) -> str | None:
    """The reason that a summary gives, without what the other facts say."""
    if recorded.reason is None and recorded.kind != "reject":
        return None
    for known in (
        f"not let into {recorded.campaign}: ",
        f"left {recorded.campaign}: ",
        f"{recorded.step}: ",
        f"{recorded.outcome}: ",
        f"{recorded.data.get('channel')} {recorded.name} {recorded.outcome}: ",
        "call refused: ",
        "left out: ",
    ):
        summary = summary.removeprefix(known)
    return summary
