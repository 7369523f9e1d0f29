"""A tracked event in our form. Source: the Segment HTTP tracking API."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal, NamedTuple, get_args
from uuid import UUID

from msgspec import Struct, convert

# The key in the context of an emitted event that names its journey. No client can set it.
OUR_CONTEXT = "sojourn"
# The key in the context of a call that has a user token. It is never stored.
USER_TOKEN = "userToken"  # noqa: S105 - a name
# The key in `integrations` that marks an event as history. Source: Segment's spec, common fields.
INTEGRATION = "Sojourn"
# The type of the pseudo-event that enters a member of an audience. No client can report it.
AUDIENCE: Final = "audience"
# The calls of the tracking API.
CallType = Literal["track", "identify", "page", "screen", "group", "alias"]
# The calls with names and properties. The others have traits.
NAMED_CALLS: Final[tuple[CallType, ...]] = ("track", "page", "screen")
# Events that Sojourn derives from a change of a profile or from a session, if a campaign listens for it. No client can
# report them.
DerivedType = Literal["changed", "consent", "opened", "joins", "leaves", "arrives"]
EventType = Literal[CallType, DerivedType, "audience"]
DERIVED: Final[tuple[DerivedType, ...]] = get_args(DerivedType)


class Trust(StrEnum):
    """How far an event counts.

    - verified: reported by a server, or with a user token;
    - anonymous: reported by a browser key without a token, so it counts for an anonymous person only;
    - unverified: as `anonymous`, but the person was known: it is kept as history, and counts for nothing.
    """

    VERIFIED = "verified"
    ANONYMOUS = "anonymous"
    UNVERIFIED = "unverified"


# The source of the environment's write key.
DEFAULT_SOURCE: Final = "default"
# The source of Sojourn's own events. No key can have it.
SOJOURN_SOURCE: Final = "sojourn"
# The sources of browser keys begin so, and no others: a message id of a browser hides none of a server.
BROWSER_SOURCE: Final = "browser:"


# The name in a rule that means all events of a kind.
ANY: Final = "*"


class Trigger(NamedTuple):
    """The kind and name by which rules listen for events; the name may be ANY."""

    kind: EventType
    name: str | None

    @property
    def label(self) -> str:
        """The words for people: `Order Completed`, `page Pricing`, `any page`."""
        if self.name == ANY:
            return f"any {self.kind}"
        if self.name is None:
            return self.kind
        return self.name if self.kind == "track" else f"{self.kind} {self.name}"

    def covers(self, other: "Trigger") -> bool:
        """Whether a rule with this trigger listens for events with the other."""
        return self.kind == other.kind and self.name in (ANY, other.name)


class Event(Struct, frozen=True, kw_only=True, gc=False):
    """One accepted call of the tracking API.

    `name` is the event of a track, the name of a page or screen, or the changed value, channel or platform of a derived
    event; else None. `properties` are those of a track, page or screen, the traits of an identify or group, or `before`
    and `after` of a change. `timestamp` is when it happened, corrected for the skew of the client's clock. For an
    impossible clock it is the arrival, and `reported_timestamp` the clock's time: such an event overtakes no other. At
    least one of `user_id` and `anonymous_id` is set; `previous_id` only for an alias.
    `external_ids` are the person's ids in other systems, as type and id; they are stored with the context alone.
    `integrations` is the client's choice of services. `is_history` marks an event of the past without effects: it
    starts, moves and converts nothing.

    `message_id` is the client's own, unique within `source`, the name of its key or keys. A browser key is shared by
    all visitors, so there it is unique within one visitor. `id` is made on arrival, and is Sojourn's id of the event,
    in Temporal as well. `said_at` is the time of its statements about the person; None for the earlier of `timestamp`
    and arrival. `claims` are the values that its sender may not state, by their path in the call; they are kept with
    the person, not with the event.

    The entry of an audience member has the form of an event of the type audience, but is not stored as one.
    """

    id: UUID
    source: str = DEFAULT_SOURCE
    message_id: str
    type: EventType
    name: str | None
    user_id: str | None
    anonymous_id: str | None
    previous_id: str | None = None
    external_ids: tuple[tuple[str, str], ...] = ()
    group_id: str | None = None
    properties: dict[str, Any]
    context: dict[str, Any]
    timestamp: datetime
    reported_timestamp: datetime | None = None
    integrations: dict[str, Any] = {}
    is_history: bool = False
    trust: Trust = Trust.VERIFIED
    said_at: datetime | None = None
    claims: dict[str, Any] = {}

    @property
    def trigger(self) -> Trigger:
        """The kind and name of the event, by which rules listen for it."""
        return Trigger(self.type, self.group_id if self.type == "group" else self.name)


class Reject(Struct, frozen=True, kw_only=True):
    """A call that was refused, or a part that was left out of an accepted one.

    `index` is the call's place in its batch. `part` is the path of the part left out, and `event_id` its event; both
    are None if the whole call was refused. `body` is the refused text, cut short. The other ids are those of the call,
    if it has them.
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
