"""What people may not be sent: suppressions by hand, and refusals by link."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from uuid_utils.compat import uuid7

from application.ingest import Ingest
from domain.access import Actor
from domain.campaign.single_steps import CHANNELS
from domain.errors import NotFoundError
from domain.people import unsubscribe
from domain.tracking.event import SOJOURN_SOURCE, Event
from store import audit, profiles
from store.database import Connection, Database


class Recipients:
    """Suppress a channel for a person, whatever their consent, or lift that."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def suppress(self, user_id: str, channel: str, reason: str, *, by: Actor) -> None:
        """Send nothing on this channel any more, transactional messages included. Raises NotFoundError."""
        _known(channel)
        async with self._database.transaction() as connection:
            await profiles.suppress(connection, await _profile(connection, user_id), channel, reason)
            await audit.record(connection, by, "user.suppress", user_id, {"channel": channel})

    async def lift(self, user_id: str, channel: str, *, by: Actor) -> None:
        """Allow the channel again. Raises NotFoundError."""
        _known(channel)
        async with self._database.transaction() as connection:
            await profiles.lift(connection, await _profile(connection, user_id), channel)
            await audit.record(connection, by, "user.lift", user_id, {"channel": channel})


@dataclass(frozen=True, slots=True)
class UnsubscribeView:
    """What a link would take its holder off."""

    channel: str


class Unsubscribe:
    """One-click unsubscription: reported like any other behaviour, so that it is on the timeline and ends journeys."""

    def __init__(self, database: Database, ingest: Ingest, link_secrets: Sequence[str]) -> None:
        self._database = database
        self._ingest = ingest
        self._secrets = link_secrets

    async def describe(self, token: str) -> UnsubscribeView:
        """Raises InvalidLinkError for a token that this deployment did not make."""
        return UnsubscribeView(unsubscribe.read(self._secrets, token).channel)

    async def __call__(self, token: str) -> None:
        """Take the person off the channel. Where they are off it already, nothing changes."""
        link = unsubscribe.read(self._secrets, token)
        async with self._database.transaction() as connection:
            recipient = await profiles.recipient(connection, UUID(link.message_id))
        if recipient is None:
            raise NotFoundError("the message of this link is no longer known")
        if recipient.consent.get(link.channel) is False:
            return
        user_id, anonymous_id = recipient.user_id, recipient.anonymous_id
        now = self._database.clock.now()

        def event(type: str, name: str | None, properties: dict[str, object]) -> Event:
            # Not derived from the link: a person who has consented since may refuse again by the same one.
            id = uuid7()
            return Event(
                id=id,
                source=SOJOURN_SOURCE,
                message_id=str(id),
                type=type,
                name=name,
                user_id=user_id,
                anonymous_id=None if user_id else anonymous_id,
                properties=properties,
                context={},
                timestamp=now,
            )

        batch = [
            event("identify", None, {"consent": {link.channel: False}}),
            event("track", "Unsubscribed", {"channel": link.channel, "message_id": link.message_id}),
        ]
        await self._ingest(batch, received_at=now)


def _known(channel: str) -> None:
    if channel not in CHANNELS:
        raise NotFoundError(f"there is no channel {channel}; there are {', '.join(CHANNELS)}", channel=channel)


async def _profile(connection: Connection, user_id: str) -> UUID:
    profile_id = await profiles.find(connection, user_id)
    if profile_id is None:
        raise NotFoundError(f"nothing was ever reported of user {user_id}", user_id=user_id)
    return profile_id
