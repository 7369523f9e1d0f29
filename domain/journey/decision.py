"""A decision as it is recorded, for the timeline and for retries."""

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct, field


class Decision(Struct, frozen=True, kw_only=True):
    """One decision, with an id derived from its subject, so that retries add nothing.

    Kinds and outcomes are open: each kind of action is one, and each arm of a split. `answer` is returned again to a
    retry, if there is one.
    """

    id: UUID
    profile_id: UUID
    campaign_key: str
    kind: str
    outcome: str
    at: datetime
    journey_id: UUID | None = None
    event_id: UUID | None = None
    step: str | None = None
    reason: str | None = None
    answer: Any = None
    data: dict[str, Any] = field(default_factory=dict)
