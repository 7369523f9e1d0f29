"""Which journeys: the one filter of lists, counts, and of what is done to many."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from domain.journey.state import JourneyStatus, StoredState


class JourneyFilter(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Journeys for which all holds that is given.

    `step` and `status` are of those active now; with a `state`, `step` is where they were last. `entered_after` is the
    first instant that counts, `entered_before` the first that does not.
    """

    campaign: str | None = None
    versions: tuple[int, ...] | None = None
    profile_id: UUID | None = None
    state: StoredState | None = None
    outcome: str | None = None
    step: str | None = None
    status: JourneyStatus | None = None
    entered_after: datetime | None = None
    entered_before: datetime | None = None
