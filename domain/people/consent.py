"""Whether a person may receive messages on a channel, about a topic.

The profile or the address may refuse. Only `find_refusal` decides: the gate and the claim of a message call it, and
conditions see its answer as `profile.consent`.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

from msgspec import Struct

from domain.channels.kinds import CHANNELS
from domain.people.countries import country_of
from domain.people.topics.deployed import NO_TOPICS, SERVICE, DeployedTopics, Regime, TopicRule
from domain.people.topics.subscription import CONFIRMED, UNSUBSCRIBED, SubscriptionRef, state_of
from domain.sending.caps import ONE_TIME_CODE, is_transactional

SUPPRESSED: Final = "suppressed"
NO_CONSENT: Final = "no_consent"

# An address can refuse everything, everything except one-time codes, everything except transactional messages, or
# topics (`topic_opt_out`).
SUPPRESSION: Final = "suppression"
STOP: Final = "stop"
OPT_OUT: Final = "opt_out"
AddressRefusal = str


def topic_opt_out(topic: str) -> AddressRefusal:
    """Return the refusal of a topic by an address: `opt_out.newsletter`."""
    return f"{OPT_OUT}.{topic}"


def list_liftable(topics: DeployedTopics) -> list[AddressRefusal]:
    """Return the refusals of an address that an operator lifts, which is no STOP."""
    return [SUPPRESSION, OPT_OUT, *map(topic_opt_out, topics.topics)]


class ConsentFacts(Struct, frozen=True):
    """The known refusals of a person.

    `given` maps a channel to the person's consent. `suppressed` maps a channel to the reason of its suppression, None
    if it was lifted. `refused_addresses` maps a channel to the refusals of the person's address: SUPPRESSION, STOP,
    OPT_OUT or that of a topic to the reason, None if it was lifted. `preferences` are the registers of subscriptions,
    and `traits` tell the country.
    """

    given: Mapping[str, bool]
    suppressed: Mapping[str, str | None]
    refused_addresses: Mapping[str, Mapping[str, str | None]] = {}
    preferences: Mapping[str, Any] = {}
    traits: Mapping[str, Any] = {}


class ConsentRefusal(Struct, frozen=True):
    """Why a message is refused, and whether by the profile or the address.

    `topic` is that of the message, if it has one. `regime` and `country` say by which rule silence refuses.
    """

    reason: Literal["suppressed", "no_consent"]
    refused_by: Literal["profile", "address"]
    detail: str
    topic: str | None = None
    regime: Regime | None = None
    country: str | None = None


def find_refusal(
    channel: str, category: str | None, facts: ConsentFacts, topics: DeployedTopics = NO_TOPICS
) -> ConsentRefusal | None:
    """Return the refusal of a category on a channel; None if messages are allowed.

    A suppression comes before the refusal of a channel, that before the refusal of a topic, and all before silence.
    `category` is None for marketing without a topic.
    """
    address = facts.refused_addresses.get(channel, {})
    if (why := facts.suppressed.get(channel)) is not None:
        return ConsentRefusal(SUPPRESSED, "profile", why)
    if (why := address.get(SUPPRESSION)) is not None:
        return ConsentRefusal(SUPPRESSED, "address", f"the address is suppressed: {why}")
    if (why := address.get(STOP)) is not None and category != ONE_TIME_CODE:
        return ConsentRefusal(NO_CONSENT, "address", f"the address refuses {channel}: {why}")
    if is_transactional(category):
        return None
    given = facts.given.get(channel)
    if given is False:
        return ConsentRefusal(NO_CONSENT, "profile", f"the profile refuses {channel}")
    if (why := address.get(OPT_OUT)) is not None:
        return ConsentRefusal(NO_CONSENT, "address", f"the address refuses {channel}: {why}")
    topic = None if category is None else topics.topics.get(category)
    if topic is not None and topic.is_required:
        return None
    refused = None if category is None else _find_topic_refusal(SubscriptionRef(category, channel), facts, address)
    if refused is not None:
        return refused
    if topic is not None and (lack := _find_lack(topic, channel, facts)) is not None:
        return lack
    if given is None and (topic is None or state_of(facts.preferences, SubscriptionRef(topic.key, channel)) is None):
        return _find_silence(channel, category, facts, topics)
    return None


def _find_topic_refusal(
    ref: SubscriptionRef, facts: ConsentFacts, address: Mapping[str, str | None]
) -> ConsentRefusal | None:
    """Return the stated refusal of a topic, whether or not it is deployed."""
    if state_of(facts.preferences, ref) == UNSUBSCRIBED:
        detail = f"the profile has unsubscribed from {ref.topic} by {ref.channel}"
        return ConsentRefusal(NO_CONSENT, "profile", detail, ref.topic)
    if (why := address.get(topic_opt_out(ref.topic))) is not None:
        return ConsentRefusal(NO_CONSENT, "address", f"the address refuses {ref.topic}: {why}", ref.topic)
    return None


def _find_lack(topic: TopicRule, channel: str, facts: ConsentFacts) -> ConsentRefusal | None:
    """Return why a topic lacks the subscription that it asks for in every country."""
    state = state_of(facts.preferences, SubscriptionRef(topic.key, channel))
    if state == CONFIRMED or topic.default == "opted_in" or (state is not None and topic.default == "opted_out"):
        return None
    detail = f"the profile has not subscribed to {topic.key} by {channel}"
    if state is not None:
        detail = f"the subscription to {topic.key} by {channel} is not confirmed"
    return ConsentRefusal(NO_CONSENT, "profile", detail, topic.key)


def _find_silence(
    channel: str, category: str | None, facts: ConsentFacts, topics: DeployedTopics
) -> ConsentRefusal | None:
    """Return the refusal of a person who has said nothing, if silence means one."""
    country = country_of(facts.traits)
    if topics.regime(channel, category or "", country) == "opt_out":
        return None
    detail = f"the profile has not consented to {channel}"
    if not topics.is_in_force or category == SERVICE:
        return ConsentRefusal(NO_CONSENT, "profile", detail)
    topic = category if category in topics.topics else None
    about = "" if topic is None else f", nor subscribed to {topic}"
    detail = f"{detail}{about}, and silence refuses (opt_in, {country or 'unknown country'})"
    return ConsentRefusal(NO_CONSENT, "profile", detail, topic, "opt_in", country)


def consent_by_channel(facts: ConsentFacts, topics: DeployedTopics = NO_TOPICS) -> dict[str, bool]:
    """Return whether marketing is allowed, for each channel that exists or was stated.

    It is the answer for a message without a topic.
    """
    return {
        channel: find_refusal(channel, None, facts, topics) is None
        for channel in (*CHANNELS, *(facts.given.keys() - set(CHANNELS)))
    }
