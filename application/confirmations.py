"""Double opt-in: a subscription is confirmed by the link of a mail, from a page."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from application.links import LinkReader, OpenedLink
from domain.people.profile_state import Proof
from domain.people.registers import NEVER, unpack
from domain.people.topics.choices import choose, list_channels, list_choices, list_refused_channels
from domain.people.topics.deployed import TopicRule
from domain.people.topics.subscription import CONFIRMED, SUBSCRIBED, SubscriptionRef, state_of

LIFETIME: Final = timedelta(days=7)
CONFIRMED_EVENT: Final = "Subscription Confirmed"
WORDING: Final = "1"


@dataclass(frozen=True, slots=True)
class ConfirmationView:
    """A subscription that waits, is confirmed, or is not to be confirmed any more."""

    channel: str
    topic: TopicRule
    state: Literal["waiting", "confirmed", "over"]
    locale: str | None


class Confirmations:
    """Confirms subscriptions: GET only asks, since mail scanners follow every link."""

    def __init__(self, links: LinkReader) -> None:
        self._links = links

    async def describe(self, token: str) -> ConfirmationView:
        """Describe a link. Raises InvalidLinkError for a foreign token, NotFoundError."""
        return self._view(await self._links.open("confirm", token))

    async def __call__(self, token: str, *, client: str | None) -> ConfirmationView:
        """Confirm a subscription that waits; one that is confirmed stays so."""
        opened = await self._links.open("confirm", token)
        view = self._view(opened)
        if view.state != "waiting":
            return view
        ref = SubscriptionRef(opened.link.topic, opened.link.channel)
        choices = list_choices(opened.facts, opened.topics)
        refused = list_refused_channels(opened.facts, list_channels(opened.topics, opened.link.channel))
        change = choose(choices, {ref, *(one.ref for one in choices if one.is_on)}, refused, opened.link.channel)
        told = {"topic": ref.topic, "channel": ref.channel, "message_id": opened.link.message_id}
        await self._links.report(
            opened,
            change,
            "",
            {CONFIRMED_EVENT: told},
            proof=Proof("confirmation", WORDING, client),
            at=self._links.database.clock.now(),
        )
        return self._view(await self._links.open("confirm", token))

    def _view(self, opened: OpenedLink) -> ConfirmationView:
        ref = SubscriptionRef(opened.link.topic, opened.link.channel)
        rule = opened.topics.topics.get(ref.topic) or TopicRule(ref.topic, {}, (ref.channel,))
        state = state_of(opened.recipient.preferences, ref)
        # Another address was asked in the meantime: this mailbox confirms nothing for it.
        is_same = opened.reaches_current_address()
        said = unpack(opened.recipient.said.get("preferences", ())).get(ref.name, NEVER).instant()
        now = self._links.database.clock.now()
        if state == CONFIRMED:
            return ConfirmationView(ref.channel, rule, "confirmed", opened.locale)
        is_waiting = state == SUBSCRIBED and is_same and said is not None and said + LIFETIME > now
        return ConfirmationView(ref.channel, rule, "waiting" if is_waiting else "over", opened.locale)
