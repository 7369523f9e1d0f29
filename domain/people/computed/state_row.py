"""The computed state and the memberships of a person, as their row has them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from domain.people.segments.definition import Memberships


class StateRow(Struct, frozen=True):
    """The state of a person, by trait id.

    `next_at` is when a watched trait or a segment may change by time alone. A merge during a backfill sets
    `is_partial`: only one of the two histories may have been counted, so the backfill counts both anew. `segments` are
    the memberships, by definitions up to the revision `judged`. The last judgement that was written is as of
    `judged_at`: no later one is as of an earlier instant.
    """

    state: Mapping[str, Any] = {}
    next_at: datetime | None = None
    is_partial: bool = False
    segments: Memberships = {}
    judged: int = 0
    judged_at: datetime | None = None

    def not_before(self, at: datetime) -> datetime:
        """Return the instant as of which the person may be judged, if it is `at`."""
        return at if self.judged_at is None else max(at, self.judged_at)


EMPTY = StateRow()
