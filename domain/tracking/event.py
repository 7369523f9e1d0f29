"""A tracked event as Sojourn keeps it, whatever client reported it. Source: the Segment HTTP tracking API."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec import Struct, convert

# Under this name the context of an event that a journey reported says which journey that was. No client can set it.
OUR_CONTEXT = "sojourn"
# Under this name `integrations` may say that an event is history. Source: Segment's spec, common fields.
INTEGRATION = "Sojourn"
# What let a user in who entered as the audience of a campaign. No client can report such an event.
AUDIENCE = "audience"

# The source of the environment's write key.
DEFAULT_SOURCE: Final = "default"
# The source of what Sojourn reports itself. No key can have it.
SOJOURN_SOURCE: Final = "sojourn"


class Event(Struct, frozen=True, kw_only=True, gc=False):
    """One accepted call of the tracking API.

    `type` is track, identify, page, screen, group or alias. `name` is the event of a track, the name of a page or
    screen, else None. `properties` are the properties of a track, page or screen, and the traits of an identify or
    group. `timestamp` is when it happened, corrected for the skew of the client's clock. Where that clock said what
    cannot be, it is the arrival, and `reported_timestamp` what the clock said: such an event overtakes no other.
    At least one of `user_id` and `anonymous_id` is set; `previous_id` only for an alias. `integrations` is what the
    client says of the services that the event is for. `is_history` marks an event that tells of the past and does not
    act: it starts, moves and converts nothing.

    `message_id` is the client's own, unique within `source`: the name that its key shares with others. `id` is made
    when the event arrives, and is what Sojourn itself calls the event by, in Temporal as well.
    `said_at` is when what it says of its person was said; None where that is the earlier of `timestamp` and arrival.

    What lets a user in as an audience has the form of an event, of the type audience, and is not among the events.
    """

    id: UUID
    source: str = DEFAULT_SOURCE
    message_id: str
    type: str
    name: str | None
    user_id: str | None
    anonymous_id: str | None
    previous_id: str | None = None
    group_id: str | None = None
    properties: dict[str, Any]
    context: dict[str, Any]
    timestamp: datetime
    reported_timestamp: datetime | None = None
    integrations: dict[str, Any] = {}
    is_history: bool = False
    said_at: datetime | None = None


class Reject(Struct, frozen=True, kw_only=True):
    """One call that could not be accepted, or a part that was left out of one that was.

    `index` is the call's place in its batch. `part` is the path of what was left out, and `event_id` the event that it
    was left out of; both are None where the whole call was refused. `body` is the text of what was refused, cut short.
    The other ids are those of the call, as far as it has any.
    """

    index: int
    source: str = DEFAULT_SOURCE
    event_id: UUID | None = None
    message_id: str | None
    user_id: str | None = None
    anonymous_id: str | None = None
    part: str | None = None
    error: str
    body: str


def stored_event(stored: Mapping[str, Any]) -> Event:
    """Read an event that was stored as JSON."""
    return convert(stored, Event)
