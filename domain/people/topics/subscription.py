"""The subscription of a person to a topic on a channel, as registers.

A statement and its confirmation are two registers, so that a later call that merely repeats a statement takes no
confirmation away, in any order of arrival. A refusal takes both away.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple

# The stated answer, one that waits for its confirmation, and one that is confirmed.
SubscriptionState = Literal["subscribed", "pending", "confirmed", "unsubscribed"]
SUBSCRIBED: Final = "subscribed"
PENDING: Final = "pending"
CONFIRMED: Final = "confirmed"
UNSUBSCRIBED: Final = "unsubscribed"

# The register of how often a person wants messages, and its one value.
PACE: Final = "pace"
WEEKLY: Final = "weekly"

_CONFIRMED_SUFFIX: Final = ".confirmed"


class SubscriptionRef(NamedTuple):
    """A topic on a channel."""

    topic: str
    channel: str

    @property
    def name(self) -> str:
        """The register of the statement: `newsletter.email`."""
        return f"{self.topic}.{self.channel}"


def registers_of(ref: SubscriptionRef, *, is_subscribed: bool, is_confirmed: bool) -> Iterator[tuple[str, bool]]:
    """Iterate over the registers that an answer sets, with their values."""
    yield ref.name, is_subscribed
    if is_confirmed or not is_subscribed:
        yield f"{ref.name}{_CONFIRMED_SUFFIX}", is_subscribed


def read_register(name: str) -> tuple[SubscriptionRef, bool] | None:
    """Return the subscription of a register, and whether it is the confirmation's.

    None for another register.
    """
    is_confirmation = name.endswith(_CONFIRMED_SUFFIX)
    topic, is_given, channel = name.removesuffix(_CONFIRMED_SUFFIX).partition(".")
    return (SubscriptionRef(topic, channel), is_confirmation) if is_given else None


def state_of(preferences: Mapping[str, Any], ref: SubscriptionRef) -> SubscriptionState | None:
    """Return the state of a subscription; None if nothing was said."""
    match preferences.get(ref.name):
        case True:
            return CONFIRMED if preferences.get(f"{ref.name}{_CONFIRMED_SUFFIX}") is True else SUBSCRIBED
        case False:
            return UNSUBSCRIBED
        case _:
            return None


def list_subscriptions(preferences: Mapping[str, Any]) -> dict[SubscriptionRef, SubscriptionState]:
    """Return all subscriptions of a person that were stated."""
    refs = (found[0] for name in preferences if (found := read_register(name)) is not None)
    states = {ref: state_of(preferences, ref) for ref in sorted(set(refs))}
    return {ref: state for ref, state in states.items() if state is not None}


def read_request(entry: Mapping[str, Any]) -> SubscriptionRef | None:
    """Return the subscription whose change started a journey, as its entry has it."""
    if entry["type"] != "consent":
        return None
    topic, channel = entry["properties"].get("topic"), entry["properties"].get("channel")
    return SubscriptionRef(topic, channel) if isinstance(topic, str) and isinstance(channel, str) else None
