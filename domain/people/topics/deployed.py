"""The topics in force, and what silence means by country and channel."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from msgspec import Struct

from domain.channels.kinds import CHANNELS
from domain.people.topics.subscription import (
    CONFIRMED,
    PENDING,
    SUBSCRIBED,
    SubscriptionRef,
    SubscriptionState,
    list_subscriptions,
    state_of,
)

# The meaning of silence: `opt_in` needs a yes, `opt_out` lets it pass.
Regime = Literal["opt_in", "opt_out"]
TopicDefault = Literal["opted_in", "opted_out", "double"]
# Messages about what a person uses. They need no topic, and no regime is asked.
SERVICE: Final = "service"
_ANY_LANGUAGE: Final = ""
_PAGE_LANGUAGE: Final = "en"


class TopicRule(Struct, frozen=True, tag="topic", tag_field="kind"):
    """A topic that people subscribe to on some channels.

    `names` and `descriptions` are texts by language; one without a language has the key "". A required topic cannot be
    refused by itself.
    """

    key: str
    names: Mapping[str, str]
    channels: tuple[str, ...]
    default: TopicDefault = "opted_in"
    descriptions: Mapping[str, str] = {}
    is_required: bool = False

    def name(self, language: str | None) -> str:
        """Return its name in a language, else in English, else in the first one."""
        return find_text(self.names, language) or self.key

    def description(self, language: str | None) -> str:
        """Return its description, as `name`; empty without one."""
        return find_text(self.descriptions, language)


class RegimeRule(Struct, frozen=True, tag="regime", tag_field="kind"):
    """The meaning of silence on channels in countries; empty ones mean all."""

    regime: Regime
    channels: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Its name: `opt_out: email in US`."""
        channels, countries = ", ".join(self.channels) or "every channel", ", ".join(self.countries) or "every country"
        return f"{self.regime}: {channels} in {countries}"

    def concerns(self, channel: str, country: str | None) -> bool:
        """Whether it says what silence of someone there means."""
        return (not self.channels or channel in self.channels) and (not self.countries or country in self.countries)


ConsentRule = TopicRule | RegimeRule


class DeployedTopics:
    """The topics of a deployment by key.

    Without any, silence means what each channel says.
    """

    def __init__(self, rules: Iterable[ConsentRule] = ()) -> None:
        known = list(rules)
        self.topics = {rule.key: rule for rule in known if isinstance(rule, TopicRule)}
        self._regimes = [rule for rule in known if isinstance(rule, RegimeRule)]
        self.is_in_force = bool(known)

    def regime(self, channel: str, category: str, country: str | None) -> Regime:
        """Return what silence about messages of a category means.

        The first rule that concerns the person holds, and `opt_in` where there is none. Messages that wait for their
        person need no yes then. A channel to systems has only rules that name it.
        """
        kind = CHANNELS.get(channel)
        if not self.is_in_force or category == SERVICE:
            return "opt_out" if kind is None or kind.silence_allows else "opt_in"
        reaches_people = kind is None or kind.reaches_people
        for rule in self._regimes:
            if rule.concerns(channel, country) and (reaches_people or channel in rule.channels):
                return rule.regime
        waits = kind is not None and kind.waits_for_person
        return "opt_in" if reaches_people and not waits else "opt_out"

    def state_of(self, preferences: Mapping[str, Any], ref: SubscriptionRef) -> SubscriptionState | None:
        """Return the state of a subscription, which waits where it must be confirmed."""
        state, topic = state_of(preferences, ref), self.topics.get(ref.topic)
        return PENDING if state == SUBSCRIBED and topic is not None and topic.default == "double" else state

    def refs(self) -> list[SubscriptionRef]:
        """Return every topic on each of its channels, as the document orders them."""
        return [SubscriptionRef(topic.key, channel) for topic in self.topics.values() for channel in topic.channels]


NO_TOPICS: Final = DeployedTopics()


def subscriptions_by_channel(preferences: Mapping[str, Any], topics: DeployedTopics) -> dict[str, list[str]]:
    """Return the topics that a person is subscribed to, for each channel.

    One that waits for its confirmation is not among them.
    """
    found: dict[str, list[str]] = {channel: [] for channel in CHANNELS}
    for ref in list_subscriptions(preferences):
        if topics.state_of(preferences, ref) in (SUBSCRIBED, CONFIRMED):
            found.setdefault(ref.channel, []).append(ref.topic)
    return found


def find_text(texts: Mapping[str, str], language: str | None) -> str:
    """Return a text in a language such as `pt-BR`, its base language, or another one."""
    wanted = (language or "").replace("_", "-").lower()
    by_tag = {tag.lower(): text for tag, text in texts.items()}
    for tag in (wanted, wanted.partition("-")[0], _ANY_LANGUAGE, _PAGE_LANGUAGE):
        if tag in by_tag:
            return by_tag[tag]
    return next(iter(texts.values()), "")
