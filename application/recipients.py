"""Suppressions by operators, and unsubscriptions by link."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from uuid_utils.compat import uuid7

from application.ingest import Ingest
from application.people import AddressStatement, OptOut, ask_for_people, write_people
from domain.access import Actor
from domain.channels.kinds import CHANNELS, normalized_addresses
from domain.errors import NotFoundError, UnavailableError
from domain.people import unsubscribe
from domain.people.consent import OPT_OUT, SUPPRESSION, AddressRefusal
from domain.people.profile_state import Source, Statement
from domain.people.registers import stamp
from domain.tracking.event import SOJOURN_SOURCE, CallType, Event
from store import audit, profile_changes, profiles
from store.database import Connection, Database
from store.profiles import Profile


class Recipients:
    """Suppresses a channel for a person and their address, or lifts that."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def suppress(self, user_id: str, channel: str, reason: str, *, by: Actor) -> None:
        """Suppress a channel for the person and their address. Raises NotFoundError."""
        await self._change(user_id, channel, {SUPPRESSION: reason}, by, "user.suppress")

    async def lift(self, user_id: str, channel: str, *, by: Actor) -> None:
        """Allow the channel again, for the address as well. Raises NotFoundError."""
        await self._change(user_id, channel, {SUPPRESSION: None, OPT_OUT: None}, by, "user.lift")

    async def _change(
        self, user_id: str, channel: str, refusals: Mapping[AddressRefusal, str | None], by: Actor, action: str
    ) -> None:
        _profile_or_raise(channel)
        async with self._database.transaction() as connection:
            profile_id, person = await _lock(connection, user_id)
            source = Source("operator", by.name, connection.clock.now())
            # It distinguishes two operators at the same microsecond.
            said = stamp(source.at, str(uuid7()))
            address = normalized_addresses(person.traits).get(channel)
            of_address = [
                AddressStatement(profile_id, (channel, address), kind, value, said, source)
                for kind, value in refusals.items()
                if address is not None
            ]
            suppression = Statement("suppressed", channel, refusals[SUPPRESSION], said, source)
            async with connection.pipeline():
                asked = await ask_for_people(
                    connection, [profile_id], {profile_id: [suppression]}, of_address, with_consent=False
                )
                written = await write_people(connection, asked)
                if written.history:
                    await profile_changes.insert(connection, written.history)
            await audit.record(connection, by, action, user_id, {"channel": channel})


@dataclass(frozen=True, slots=True)
class UnsubscribeView:
    """The channel and campaign of an unsubscribe link."""

    channel: str


class Unsubscribe:
    """One-click unsubscription: an event, so it is on the timeline and ends journeys."""

    def __init__(self, database: Database, ingest: Ingest, link_secrets: Sequence[str]) -> None:
        self._database = database
        self._ingest = ingest
        self._secrets = link_secrets

    async def describe(self, token: str) -> UnsubscribeView:
        """Describe a link. Raises InvalidLinkError for a foreign token."""
        return UnsubscribeView(unsubscribe.read(self._secrets, token).channel)

    async def __call__(self, token: str) -> None:
        """Unsubscribe the person from the channel, once."""
        link = unsubscribe.read(self._secrets, token)
        async with self._database.transaction() as connection:
            recipient = await profiles.recipient(connection, UUID(link.message_id))
        if recipient is None:
            raise NotFoundError("the message of this link is no longer known")
        is_refused = recipient.address is None or recipient.refusals.get(OPT_OUT) is not None
        if is_refused and recipient.consent_given.get(link.channel) is False:
            return
        user_id, anonymous_id = recipient.user_id, recipient.anonymous_id
        now = self._database.clock.now()

        def event(type: CallType, name: str | None, properties: dict[str, object]) -> Event:
            # Not derived from the link: a person who consented since may refuse again by the same link.
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
        opt_out = OptOut(link.channel, recipient.address)
        await self._ingest(batch, received_at=now, opt_out=opt_out)


def _profile_or_raise(channel: str) -> None:
    if channel not in CHANNELS:
        raise NotFoundError(f"there is no channel {channel}; there are {', '.join(CHANNELS)}", channel=channel)


async def _lock(connection: Connection, user_id: str) -> tuple[UUID, Profile]:
    """Lock the person's profile. Raises NotFoundError, or UnavailableError in a merge."""
    profile_id = await profiles.find(connection, user_id)
    if profile_id is None:
        raise NotFoundError(f"nothing was ever reported of user {user_id}", user_id=user_id)
    person = (await (await profiles.lock(connection, [profile_id])).get()).get(profile_id)
    if person is None:
        raise UnavailableError(f"user {user_id} is being merged into another profile; try again", retry_after=1)
    return profile_id, person
