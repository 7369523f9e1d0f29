"""Unsubscription by link, in one click from mail programs: a topic or a channel."""

from dataclasses import dataclass
from uuid import UUID

from application.links import LinkReader, OpenedLink
from domain.people.consent import OPT_OUT, topic_opt_out
from domain.people.profile_state import Proof
from domain.people.topics.choices import PreferenceChange
from domain.people.topics.deployed import TopicRule
from domain.people.topics.subscription import UNSUBSCRIBED, SubscriptionRef, state_of

_REASON = "unsubscribed by link"
_BY_MAIL = "unsubscribed by mail"


@dataclass(frozen=True, slots=True)
class UnsubscribeView:
    """The channel of an unsubscribe link, and its topic, which can be refused alone.

    `locale` is the recipient's language.
    """

    channel: str
    topic: TopicRule | None = None
    locale: str | None = None


class Unsubscribe:
    """One-click unsubscription: an event, so it is on the timeline and ends journeys."""

    def __init__(self, links: LinkReader) -> None:
        self._links = links

    async def describe(self, token: str) -> UnsubscribeView:
        """Describe a link. Raises InvalidLinkError for a foreign token, NotFoundError."""
        return _view(await self._links.open("unsubscribe", token))

    async def __call__(self, token: str, *, everything: bool = False) -> UnsubscribeView:
        """Unsubscribe the person from the topic of the message, or the channel, once."""
        return await self._unsubscribe(await self._links.open("unsubscribe", token), _REASON, everything=everything)

    async def by_mail(self, message_id: UUID) -> UnsubscribeView:
        """Unsubscribe the recipient of a message by their mail. Raises NotFoundError."""
        opened = await self._links.open_message(message_id)
        return await self._unsubscribe(opened, _BY_MAIL, proof=Proof("mail"))

    async def _unsubscribe(
        self, opened: OpenedLink, reason: str, *, everything: bool = False, proof: Proof | None = None
    ) -> UnsubscribeView:
        view = _view(opened)
        channel, recipient = opened.link.channel, opened.recipient
        topic = None if everything else view.topic
        if topic is None:
            is_refused = recipient.consent_given.get(channel) is False
            change = PreferenceChange({channel: False}, refused=(OPT_OUT,))
        else:
            is_refused = state_of(recipient.preferences, SubscriptionRef(topic.key, channel)) == UNSUBSCRIBED
            change = PreferenceChange({"topics": {topic.key: {channel: False}}}, refused=(topic_opt_out(topic.key),))
        of_address = recipient.address is None or recipient.refusals.get(change.refused[0]) is not None
        if not (is_refused and of_address):
            told = {"channel": channel, "message_id": opened.link.message_id}
            named = {"Unsubscribed": told if topic is None else {**told, "topic": topic.key}}
            at = self._links.database.clock.now()
            await self._links.report(opened, change, reason, named, proof=proof, at=at)
        return view


def _view(opened: OpenedLink) -> UnsubscribeView:
    topic = opened.topics.topics.get(opened.recipient.category)
    has_choice = topic is not None and not topic.is_required and opened.link.channel in topic.channels
    return UnsubscribeView(opened.link.channel, topic if has_choice else None, opened.locale)
