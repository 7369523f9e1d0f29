"""The preference centre: the choices of a recipient, a pause, and the pace."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from application.links import LinkReader, OpenedLink
from application.pauses import PAUSE, find_pause, set_pause
from domain.people.profile_state import Proof
from domain.people.topics.choices import (
    Choice,
    choose,
    is_everything_refused,
    list_channels,
    list_choices,
    list_refused_channels,
    pace_of,
    refuse_everything,
)
from domain.people.topics.subscription import SubscriptionRef

# The version of the wording of the built-in pages, for proofs.
WORDING: Final = "1"
_REASON: Final = "refused in the preference centre"


@dataclass(frozen=True, slots=True)
class PreferencesView:
    """The choices of a person, and the channels of which they refuse everything."""

    channel: str
    locale: str | None
    choices: Sequence[Choice]
    channels: Sequence[str]
    refused_channels: Collection[str]
    pace: str | None
    paused_until: datetime | None


@dataclass(frozen=True, slots=True)
class Chosen:
    """The form of the centre as a person has sent it.

    `shown` are the subscriptions that it had boxes for: the topics may have changed since.
    """

    shown: Collection[SubscriptionRef]
    subscriptions: Collection[SubscriptionRef]
    pace: str | None
    is_paused: bool


class Preferences:
    """Shows and changes the preferences of the recipient of a link."""

    def __init__(self, links: LinkReader) -> None:
        self._links = links

    async def describe(self, token: str) -> PreferencesView:
        """Return the present choices. Raises InvalidLinkError, NotFoundError."""
        return await self._view(await self._links.open("preferences", token))

    async def save(self, token: str, chosen: Chosen, *, client: str | None) -> PreferencesView:
        """Change what differs from the present choices; once it returns, it holds."""
        opened = await self._links.open("preferences", token)
        before = await self._view(opened)
        unseen = {one.ref for one in before.choices if one.is_on and one.ref not in chosen.shown}
        change = choose(before.choices, unseen.union(chosen.subscriptions), before.refused_channels, before.channel)
        async with self._links.database.one_transaction():
            if change.consent or chosen.pace != before.pace:
                await self._links.report(
                    opened,
                    change,
                    _REASON,
                    {},
                    pace=chosen.pace,
                    proof=Proof("preferences", WORDING, client),
                    at=self._links.database.clock.now(),
                )
            if chosen.is_paused != (before.paused_until is not None):
                until = self._links.database.clock.now() + PAUSE if chosen.is_paused else None
                await set_pause(self._links.database, opened.recipient.profile_id, until)
        return await self.describe(token)

    async def refuse_everything(self, token: str, *, client: str | None) -> PreferencesView:
        """Refuse every channel of the centre, unless all are refused already."""
        opened = await self._links.open("preferences", token)
        channels = list_channels(opened.topics, opened.link.channel)
        recipient = opened.recipient
        if not is_everything_refused(channels, recipient.consent_given, recipient.address, recipient.refusals):
            told = {"channel": opened.link.channel, "message_id": opened.link.message_id}
            await self._links.report(
                opened,
                refuse_everything(channels),
                _REASON,
                {"Unsubscribed": told},
                proof=Proof("preferences", WORDING, client),
                at=self._links.database.clock.now(),
            )
        return await self.describe(token)

    async def _view(self, opened: OpenedLink) -> PreferencesView:
        channels = list_channels(opened.topics, opened.link.channel)
        async with self._links.database.transaction() as connection:
            pause = await find_pause(connection, opened.recipient.profile_id)
        return PreferencesView(
            opened.link.channel,
            opened.locale,
            list_choices(opened.facts, opened.topics),
            channels,
            list_refused_channels(opened.facts, channels),
            pace_of(opened.recipient.preferences),
            None if pause is None else pause.until,
        )
