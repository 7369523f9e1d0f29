"""Suppressions by operators."""

from collections.abc import Mapping

from uuid_utils.compat import uuid7

from application.catalogue import Catalogue
from application.derived_events import report_changes
from application.people import lock_person
from application.settled_people import settle_people
from application.statements import ask_for_people, write_people
from domain.access import Actor
from domain.channels.kinds import CHANNELS, normalized_addresses
from domain.errors import NotFoundError
from domain.people.address_statements import AddressStatement
from domain.people.consent import SUPPRESSION, list_liftable
from domain.people.derived_events import Cause
from domain.people.identity import PersonRef
from domain.people.profile import Profile
from domain.people.profile_state import Source, Statement
from domain.people.registers import stamp
from store import audit, campaigns, profile_changes
from store.database import Connection, Database


class Recipients:
    """Suppresses a channel for a person and their address, or lifts that."""

    def __init__(self, database: Database, catalogue: Catalogue) -> None:
        self._database = database
        self._catalogue = catalogue

    async def suppress(self, person: PersonRef, channel: str, reason: str, *, by: Actor) -> None:
        """Suppress a channel for the person and their address. Raises NotFoundError."""
        await self._change(person, channel, reason, by, "user.suppress")

    async def lift(self, person: PersonRef, channel: str, *, by: Actor) -> None:
        """Allow the channel again, for the address as well. Raises NotFoundError."""
        await self._change(person, channel, None, by, "user.lift")

    async def _change(self, ref: PersonRef, channel: str, reason: str | None, by: Actor, action: str) -> None:
        require_channel(channel)
        async with self._database.transaction() as connection:
            await campaigns.lock_registry_shared(connection)
            person = await lock_person(connection, ref)
            named = None if ref.kind == "profile" else ref.id
            await set_suppressions(connection, self._catalogue, person, {channel: reason}, by, anonymous_id=named)
            await audit.record(connection, by, action, person.user_id or ref.id, {"channel": channel})


async def set_suppressions(
    connection: Connection,
    catalogue: Catalogue,
    person: Profile,
    reasons: Mapping[str, str | None],
    by: Actor,
    *,
    anonymous_id: str | None,
) -> None:
    """Suppress channels of a locked person and their present addresses; None lifts it.

    Lifting also lifts what the address has refused by link. `anonymous_id` names a person without a user id to
    campaigns. The caller has locked the registry before the person.
    """
    source = Source("operator", by.name, connection.clock.now(), by.name)
    # It distinguishes two operators at the same microsecond.
    said = stamp(source.at, str(uuid7()), source.label)
    addresses = normalized_addresses(person.traits)
    topics = (await catalogue.load_segments(connection)).topics
    of_addresses = [
        AddressStatement(person.id, (channel, addresses[channel]), kind, reason, said, source)
        for channel, reason in reasons.items()
        if channel in addresses
        for kind in (list_liftable(topics) if reason is None else [SUPPRESSION])
    ]
    suppressions = [Statement("suppressed", channel, reason, said, source) for channel, reason in reasons.items()]
    settled = await settle_people(connection, catalogue, [person.id])
    async with connection.pipeline():
        asked = await ask_for_people(
            connection, [person.id], {person.id: suppressions}, of_addresses, with_consent=False
        )
        written = await write_people(connection, asked)
        if written.history:
            await profile_changes.insert(connection, written.history)
    cause = Cause(uuid7(), person.user_id, None if person.user_id else anonymous_id, source.at)
    await report_changes(connection, catalogue, cause, source, written.changes(), settled, judged=[person.id])


def require_channel(channel: str) -> None:
    """Raise NotFoundError unless there is such a channel."""
    if channel not in CHANNELS:
        raise NotFoundError(f"there is no channel {channel}; there are {', '.join(CHANNELS)}", channel=channel)
