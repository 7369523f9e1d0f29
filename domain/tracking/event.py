"""A tracked event as Sojourn keeps it, whatever client reported it. Source: the Segment HTTP tracking API."""

from datetime import datetime
from typing import Any

from msgspec import Struct

# Under this name the context of an event that a journey reported says which journey that was. No client can set it.
OUR_CONTEXT = "sojourn"
# What let somebody in who entered as the audience of a campaign. No client can report such an event.
AUDIENCE = "audience"


class Event(Struct, frozen=True, kw_only=True, gc=False):
    """One accepted call of the tracking API.

    `type` is track, identify, page, screen, group or alias. `name` is the event of a track, the name of a page or
    screen, else None. `properties` are the properties of a track, page or screen, and the traits of an identify or
    group. `timestamp` is when it happened, corrected for the skew of the client's clock. At least one of `user_id`
    and `anonymous_id` is set; `previous_id` only for an alias.

    What lets somebody in as an audience has the form of an event, of the type audience, and is not among the events.
    """

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


class Reject(Struct, frozen=True, kw_only=True):
    """One item that could not be accepted: its place in the batch, why, and its text for whoever mends the client."""

    index: int
    message_id: str | None
    error: str
    body: str
