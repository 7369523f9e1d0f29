"""The filter of journeys, for lists, counts and operations."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from domain.journey.state import JourneyStatus, StoredState


class JourneyFilter(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A filter whose given fields must all match.

    `step` and `status` match active journeys; with a `state`, `step` is the last step. `entered_after` is inclusive,
    `entered_before` exclusive.
    """

    campaign: str | None = None
    versions: tuple[int, ...] | None = None
    profile_id: UUID | None = None
    account_id: str | None = None
    state: StoredState | None = None
    outcome: str | None = None
    step: str | None = None
    status: JourneyStatus | None = None
    entered_after: datetime | None = None
    entered_before: datetime | None = None
