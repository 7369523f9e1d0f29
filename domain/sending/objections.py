"""Objections of people to messages: account, address, suppression and consent."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from domain.channels.kind import Unreachable
from domain.channels.kinds import CHANNELS
from domain.people.consent import ConsentFacts, find_refusal
from domain.people.device_addresses import DeviceAddress
from domain.people.topics.deployed import NO_TOPICS, DeployedTopics, Regime
from domain.sending.holds import Hold


class Recipient(Struct, frozen=True):
    """The facts about a person. `consent` maps a refused channel to False.

    `suppressed` maps a channel to the reason why nothing may be sent on it (a bounce, a complaint, a request),
    `refused_addresses` to the refusals of the person's address there. `left` says how they have left the account of
    the journey, or their role in it; None if they have not. `holds` are the open ones that concern them. `preferences`
    are their subscriptions and their pace. `asked_address` is the normalised one that a single message was asked for;
    None if it goes to the person, wherever they are. `devices` are those that a message goes to now.
    """

    traits: Mapping[str, Any]
    consent: Mapping[str, bool]
    suppressed: Mapping[str, str | None]
    refused_addresses: Mapping[str, Mapping[str, str | None]] = {}
    left: str | None = None
    holds: Sequence[Hold] = ()
    preferences: Mapping[str, Any] = {}
    asked_address: str | None = None
    devices: Sequence[DeviceAddress] = ()


class Objection(Struct, frozen=True):
    """The reason why a person may not be sent to, apart from window and caps.

    `refused_by` says whether the profile or the address refuses; None if neither does. `topic`, `regime` and `country`
    are those of a refused consent.
    """

    reason: Literal["left_account", "unreachable", "address_changed", "suppressed", "no_consent"]
    detail: str
    refused_by: Literal["profile", "address"] | None = None
    topic: str | None = None
    regime: Regime | None = None
    country: str | None = None

    def data(self) -> dict[str, Any]:
        """Return what a decision keeps of it."""
        known = {"refused_by": self.refused_by, "topic": self.topic, "regime": self.regime, "country": self.country}
        return {"detail": self.detail, **{name: value for name, value in known.items() if value is not None}}


def find_objection(
    channel: str, category: str, recipient: Recipient, topics: DeployedTopics = NO_TOPICS
) -> Objection | None:
    """Return what forbids such a message: account, profile or address."""
    if recipient.left is not None:
        return Objection("left_account", recipient.left)
    addresses = CHANNELS[channel].find_addresses(recipient.traits, recipient.devices)
    if isinstance(addresses, Unreachable):
        return Objection("unreachable", addresses.detail)
    if recipient.asked_address not in (None, CHANNELS[channel].normalized_address(recipient.traits)):
        return Objection("address_changed", "the person has another address since the request")
    facts = ConsentFacts(
        recipient.consent, recipient.suppressed, recipient.refused_addresses, recipient.preferences, recipient.traits
    )
    found = find_refusal(channel, category, facts, topics)
    if found is None:
        return None
    return Objection(found.reason, found.detail, found.refused_by, found.topic, found.regime, found.country)
