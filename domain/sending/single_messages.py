"""Single messages: journeys of one step that a request starts, without a campaign.

A published template of theirs stands among the versions of campaigns, under a key that no campaign can have:
`email:password-reset`. Gate, ledger, claim and explanation are those of all journeys.
"""

import json
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from domain.campaign.plan import Plan, Send
from domain.channels.kind import Unreachable
from domain.channels.kinds import CHANNELS, normalized_addresses
from domain.errors import InvalidRequestError, PayloadTooLargeError
from domain.people.topics.deployed import SERVICE, DeployedTopics
from domain.sending.caps import ONE_TIME_CODE, TRANSACTIONAL
from domain.suggestions import did_you_mean
from domain.tracking.decode import decode
from domain.tracking.event import OUR_CONTEXT, SOJOURN_SOURCE, Event
from domain.tracking.item import MAX_ITEM_BYTES

# The only step of such a journey, and the name of its entry.
STEP: Final = "message"
REQUESTED: Final = "Message Requested"
# The place of the message in the context of the entry, which no client can set, and in the start of its workflow.
MESSAGE_KEY: Final = "message"
# The normalised address of a request to one, beside the message. No workflow gets it.
ADDRESS_KEY: Final = "address"
# A key has up to 64 characters, as that of a campaign.
MAX_NAME_CHARACTERS: Final = 48

_SEPARATOR: Final = ":"
# Any id: the entry gets those of the recipient.
_STAND_IN = "recipient"

MessageRequestState = Literal["requested", "deferred", "held", "refused"]


class SingleMessage(Struct, frozen=True):
    """The message of a request, apart from its recipient and its data.

    `expires` is in seconds from the request.
    """

    channel: str
    template: str
    category: str
    expires: int
    on_capped: Literal["skip", "wait"]

    def step(self) -> Send:
        """Return the step of its journey."""
        return Send(
            id=STEP,
            channel=self.channel,
            template=self.template,
            category=self.category,
            expires=self.expires,
            on_capped=self.on_capped,
        )

    def plan(self) -> Plan:
        """Return the plan of its journey."""
        return Plan(STEP, {STEP: self.step()})


def template_key(channel: str, name: str) -> str:
    """Return the key of a template's versions: `email:password-reset`."""
    return f"{channel}{_SEPARATOR}{name}"


def split_template_key(key: str) -> tuple[str, str] | None:
    """Return channel and name of a template's key; None for that of a campaign."""
    channel, separator, name = key.partition(_SEPARATOR)
    return (channel, name) if separator else None


def read_data(data: Mapping[str, Any], at: datetime, new_id: Callable[[], UUID]) -> Event:
    """Return the entry of a request with its data, by the rules of tracked properties.

    Raises InvalidRequestError and PayloadTooLargeError.
    """
    call = {"userId": _STAND_IN, "event": REQUESTED, "properties": data}
    try:
        body = json.dumps(call, ensure_ascii=False, allow_nan=False).encode()
        decoded = decode(body, kind="track", source=SOJOURN_SOURCE, received_at=at, new_id=new_id)
    except PayloadTooLargeError as error:
        raise PayloadTooLargeError(f"`data` may have {MAX_ITEM_BYTES:,} bytes", limit=MAX_ITEM_BYTES) from error
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError("`data` cannot be written as JSON") from error
    if decoded.rejects:
        raise InvalidRequestError(f"`data`: {decoded.rejects[0].error}")
    return decoded.events[0]


def entry_of(read: Event, message: SingleMessage, user_id: str | None, address: str | None) -> Event:
    """Return the entry of a journey: the data of its request, and the message.

    `address` is the normalised one of a request to an address.
    """
    asked = {} if address is None else {ADDRESS_KEY: address}
    return replace(
        read,
        message_id=str(read.id),
        user_id=user_id,
        anonymous_id=None,
        context={OUR_CONTEXT: {MESSAGE_KEY: to_builtins(message), **asked}},
    )


def find_asked_address(key: str, entry: Mapping[str, Any]) -> str | None:
    """Return the address that a stored journey's request was to; None if to a person."""
    address: str | None = entry["context"][OUR_CONTEXT].get(ADDRESS_KEY) if split_template_key(key) else None
    return address


def require_data(template: str, needs: Collection[str], data: Mapping[str, Any]) -> None:
    """Raise InvalidRequestError if data lacks values without which the message fails."""
    missing = [path for path in needs if not _has_value(data, path)]
    if missing:
        named = ", ".join(f"`{path}`" for path in missing)
        raise InvalidRequestError(
            f"`data` lacks {named}, which the template {template} prints: give a value, or the template a `default`",
            missing=missing,
        )


def require_category(category: str, topics: DeployedTopics) -> None:
    """Raise InvalidRequestError for a category that is not a topic, if there are some."""
    allowed = [*topics.topics, TRANSACTIONAL, ONE_TIME_CODE, SERVICE]
    if topics.topics and category not in allowed:
        hint = did_you_mean(category, allowed, "Topics")
        raise InvalidRequestError(f"`category`: `{category}` is not a topic. {hint}")


def address_traits(channel: str, address: str) -> dict[str, str]:
    """Return the trait that states an address. Raises InvalidRequestError."""
    kind = CHANNELS[channel]
    if len(kind.address_traits) != 1:
        raise InvalidRequestError(f"a message on {channel} goes to no address: name a `user_id`")
    traits = dict.fromkeys(kind.address_traits, address)
    if isinstance(kind.addresses(traits), Unreachable):
        raise InvalidRequestError(f"`address` is not an address of the channel {channel}")
    return traits


def normalize_address(channel: str, address: str) -> str:
    """Return the key of an address. Raises InvalidRequestError."""
    return normalized_addresses(address_traits(channel, address))[channel]


def _has_value(data: Mapping[str, Any], path: str) -> bool:
    value: Any = data
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value is not None
