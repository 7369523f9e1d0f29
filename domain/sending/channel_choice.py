"""The choice of a channel for a person, of those that a step names."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from domain.campaign.plan import Message
from domain.channels.kinds import CHANNELS
from domain.people.topics.deployed import DeployedTopics
from domain.sending.fallbacks import EarlierMessage
from domain.sending.objections import Recipient, find_objection
from domain.sending.routes import DeployedProviders

# How far back the reactions of a person count.
ENGAGEMENT_DAYS: Final = 90


class Engagement(Struct, frozen=True):
    """A person's messages on a channel, and to how many of them they have reacted."""

    messages: int
    reactions: int

    @property
    def rate(self) -> float:
        """The part of the messages to which the person has reacted."""
        return self.reactions / self.messages if self.messages else 0.0


# The message certainly did not get through by it; the message that a fallback follows went by it.
NOT_DELIVERED: Final = "not_delivered"
SENT_BEFORE: Final = "sent_before"
NO_ENGAGEMENT: Final = Engagement(0, 0)


class ChannelHistory(Struct, frozen=True):
    """The past of a person on the channels of a step.

    `used` says why a channel is not used again: NOT_DELIVERED, or SENT_BEFORE. `engagement` is read for a preferred
    channel only.
    """

    used: Mapping[str, str] = {}
    engagement: Mapping[str, Engagement] = {}


class ChannelChoice(Struct, frozen=True):
    """The step by the channel that is chosen, or why there is none.

    `obstacles` are the reasons against the channels that were passed over. `others` reach the person as well, and may
    follow. Without any channel that `reaches` them, the step has the first one, whose obstacle is the gate's reason.
    """

    step: Message
    obstacles: dict[str, str]
    others: tuple[str, ...]
    reaches: bool
    engagement: Mapping[str, Engagement] = {}

    def data(self) -> dict[str, Any]:
        """Return what a decision keeps of it.

        In lists: the database does not keep the order of a mapping.
        """
        data: dict[str, Any] = {"channel": self.step.channel}
        if self.obstacles:
            data["passed_over"] = [{"channel": name, "reason": why} for name, why in self.obstacles.items()]
        if self.engagement:
            data["engagement"] = [
                {"channel": name, "messages": one.messages, "reactions": one.reactions}
                for name, one in self.engagement.items()
            ]
        return data


def choose_channel(
    step: Message,
    history: ChannelHistory,
    recipient: Recipient,
    topics: DeployedTopics,
    providers: DeployedProviders,
) -> ChannelChoice | None:
    """Choose the first channel that reaches a person; None if all were used.

    They have an address there, nothing refuses, and there is a provider.
    """
    ranked = _rank(step, history.engagement)
    left = [one for one in ranked if one not in history.used]
    if not left:
        return None
    found = {
        one: history.used.get(one) or _find_obstacle(one, step.category, recipient, topics, providers) for one in ranked
    }
    obstacles = {one: why for one, why in found.items() if why is not None}
    reaching = [one for one in left if one not in obstacles]
    chosen = reaching[0] if reaching else left[0]
    before = ranked[: ranked.index(chosen)] if reaching else ranked
    passed = {one: why for one, why in obstacles.items() if one in before or one in history.used}
    named = {one: history.engagement.get(one, NO_ENGAGEMENT) for one in step.channels} if step.is_preferred else {}
    return ChannelChoice(step.by(chosen), passed, tuple(reaching[1:]), bool(reaching), named)


def list_used(not_delivered: Collection[str], before: Sequence[EarlierMessage]) -> dict[str, str]:
    """Return the channels that are not used again, each with the reason."""
    return dict.fromkeys(not_delivered, NOT_DELIVERED) | {one.channel: SENT_BEFORE for one in before}


def _rank(step: Message, engagement: Mapping[str, Engagement]) -> list[str]:
    """Return the channels in order: of equal rates, and without any, the author's."""
    if not step.is_preferred:
        return list(step.channels)
    return sorted(step.channels, key=lambda one: -engagement.get(one, NO_ENGAGEMENT).rate)


def _find_obstacle(
    channel: str, category: str, recipient: Recipient, topics: DeployedTopics, providers: DeployedProviders
) -> str | None:
    objection = find_objection(channel, category, recipient, topics)
    if objection is not None:
        return objection.reason
    kinds = frozenset(one.kind for one in recipient.devices) if CHANNELS[channel].uses_devices else None
    return None if providers.has_able(channel, category, kinds) else "no_provider"
