"""The choices of a person in the preference centre, and what they change."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from msgspec import Struct

from domain.channels.kinds import CHANNELS
from domain.people.consent import OPT_OUT as CHANNEL_OPT_OUT
from domain.people.consent import ConsentFacts, find_refusal, topic_opt_out
from domain.people.topics.deployed import DeployedTopics, TopicRule
from domain.people.topics.subscription import PACE, PENDING, WEEKLY, SubscriptionRef


class Choice(Struct, frozen=True):
    """A topic on a channel as a person finds it.

    A required one is on while the channel is. A pending subscription waits for its confirmation.
    """

    topic: TopicRule
    channel: str
    is_on: bool
    is_pending: bool

    @property
    def ref(self) -> SubscriptionRef:
        """The subscription that it chooses."""
        return SubscriptionRef(self.topic.key, self.channel)


class PreferenceChange(Struct, frozen=True):
    """The consents that a person states, as an identify has them, and their address.

    `lifted` and `refused` are the refusals of the address on the link's channel.
    """

    consent: dict[str, Any]
    lifted: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


def list_choices(facts: ConsentFacts, topics: DeployedTopics) -> list[Choice]:
    """Return the choices in the order of the document.

    A suppression, as after a bounce, is not the person's choice, so it is left out of sight.
    """
    refused = {
        channel: {name: why for name, why in kinds.items() if name != "suppression"}
        for channel, kinds in facts.refused_addresses.items()
    }
    stated = ConsentFacts(facts.given, {}, refused, facts.preferences, facts.traits)
    return [
        Choice(
            topic,
            channel,
            find_refusal(channel, topic.key, stated, topics) is None,
            topics.state_of(facts.preferences, SubscriptionRef(topic.key, channel)) == PENDING,
        )
        for topic in topics.topics.values()
        for channel in topic.channels
    ]


def list_refused_channels(facts: ConsentFacts, channels: Collection[str]) -> list[str]:
    """Return the channels of which the person refuses all but transactional mail."""
    return [
        channel
        for channel in channels
        if facts.given.get(channel) is False
        or facts.refused_addresses.get(channel, {}).get(CHANNEL_OPT_OUT) is not None
    ]


def list_channels(topics: DeployedTopics, channel: str) -> list[str]:
    """Return the channels to people that the centre is about: of the link and topics.

    Without any, it is the link's: a webhook may pass messages on.
    """
    named = [channel, *(ref.channel for ref in topics.refs())]
    found = [name for name in dict.fromkeys(named) if name in CHANNELS and CHANNELS[name].reaches_people]
    return found or [channel]


def choose(
    choices: Sequence[Choice], chosen: Collection[SubscriptionRef], refused_channels: Collection[str], channel: str
) -> PreferenceChange:
    """Return the change from the choices shown to those chosen.

    Only differences are stated: a box that was ticked for a person is not a consent of theirs. A topic that is chosen
    on a refused channel opens the channel for it alone, so all its other topics are refused by name. `channel` is the
    link's, whose address the person reads.
    """
    opened = {
        ref.channel
        for ref in chosen
        if ref.channel in refused_channels and ref in {one.ref for one in choices if not one.topic.is_required}
    }
    stated: dict[str, dict[str, bool]] = {}
    for one in choices:
        is_chosen = one.ref in chosen
        if not one.topic.is_required and (is_chosen != one.is_on or one.channel in opened):
            stated.setdefault(one.topic.key, {})[one.channel] = is_chosen
    mine = {topic: by_channel[channel] for topic, by_channel in stated.items() if channel in by_channel}
    consent: dict[str, Any] = dict.fromkeys(sorted(opened), True)
    return PreferenceChange(
        {**consent, **({"topics": stated} if stated else {})},
        lifted=(
            *(topic_opt_out(topic) for topic, is_chosen in mine.items() if is_chosen),
            *([CHANNEL_OPT_OUT] if channel in opened else []),
        ),
        refused=tuple(topic_opt_out(topic) for topic, is_chosen in mine.items() if not is_chosen),
    )


def refuse_everything(channels: Collection[str]) -> PreferenceChange:
    """Return the refusal of all channels."""
    return PreferenceChange(dict.fromkeys(channels, False), refused=(CHANNEL_OPT_OUT,))


def is_everything_refused(
    channels: Collection[str], given: Mapping[str, bool], address: str | None, refusals: Mapping[str, str | None]
) -> bool:
    """Whether the person and the address of the link refuse all channels already."""
    of_address = address is None or refusals.get(CHANNEL_OPT_OUT) is not None
    return of_address and all(given.get(channel) is False for channel in channels)


def pace_of(preferences: Mapping[str, Any]) -> str | None:
    """Return how often a person wants messages; None for as often as they come."""
    return WEEKLY if preferences.get(PACE) == WEEKLY else None
