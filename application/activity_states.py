"""Merge what profiles have learned, and learn it anew when a merge is undone."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from application import turns
from application.computed_states import pages_of_history
from application.device_registrations import Registrations
from domain.deployment_documents import COMPUTED
from domain.long_work import LongWork
from domain.people import sessions
from domain.people.activity import is_activity
from domain.people.computed_document import parse_server_sources
from domain.people.devices import merge_devices, observe_device
from domain.people.sessions import Activity
from domain.tracking.event import Event, Trust
from domain.tracking.stored_event import StoredEvent
from store import activity, documents
from store.activity import Devices
from store.database import Connection


class ServerSources(Struct, frozen=True):
    """The sources that report what systems did, in one version of the document."""

    version: int
    names: tuple[str, ...]

    def is_activity(self, event: Event) -> bool:
        """Return whether an event tells of something its person did, and may be believed."""
        return event.trust is not Trust.UNVERIFIED and is_activity(event, self.names)


async def load_server_sources(connection: Connection, known: ServerSources | None = None) -> ServerSources:
    """Return the server sources in force; the known ones if the document is the same."""
    if known is not None and await documents.latest_version(connection, COMPUTED) == known.version:
        return known
    document = await documents.latest(connection, COMPUTED)
    return ServerSources(document.version, parse_server_sources(document.source, "computed.yaml"))


async def merge_activity(connection: Connection, merged: Mapping[UUID, UUID]) -> None:
    """Merge what is known of locked people into those who stay."""
    known = await (await activity.read(connection, {*merged, *merged.values()})).get()
    activities: dict[UUID, Activity] = {}
    devices: dict[UUID, Devices] = {}
    for source, target in sorted(merged.items()):
        if source not in known or target not in known:
            continue
        mine, theirs = known[source], known[target]
        before = activities.get(target, theirs.activity)
        if mine.activity is not None:
            activities[target] = mine.activity if before is None else sessions.merge(before, mine.activity)
        devices[target] = merge_devices(devices.get(target, theirs.devices), mine.devices)
    await activity.delete(connection, merged.keys())
    await activity.write(connection, activities)
    await activity.write_devices(connection, {id: known[id].devices for id in devices}, devices)


async def relearn(connection: Connection, profile_ids: Collection[UUID], sources: ServerSources) -> None:
    """Learn from the whole history of locked people, in the place of what is known.

    No session is reported again: one whose end is awaited stays so, until its time.
    """
    known = await (await activity.read(connection, profile_ids)).get()
    awaits = {id: one.activity is not None and one.activity.ends_at is not None for id, one in known.items()}
    learning = _Learning(sources, awaits_end=any(awaits.values()), now=connection.clock.now())
    async for page in pages_of_history(connection, profile_ids, None):
        await turns.run(learning.add(page))
    await activity.delete(connection, profile_ids)
    await activity.write(connection, learning.finish())
    await activity.write_devices(connection, {}, learning.devices)
    await learning.registrations.write(connection, profile_ids)


class _Learning:
    """The activity of people, from their events in the order of arrival."""

    def __init__(self, sources: ServerSources, *, awaits_end: bool, now: datetime) -> None:
        self._sources = sources
        self._awaits_end = awaits_end
        self._now = now
        self._activities: dict[UUID, Activity] = {}
        self.devices: dict[UUID, Devices] = {}
        self.registrations = Registrations()

    def add(self, page: Sequence[StoredEvent]) -> LongWork[None]:
        """Learn from a page of events."""
        for stored in page:
            id, event = stored.profile_id, stored.event
            if self._sources.is_activity(event):
                known = self._activities.get(id)
                observed = sessions.observe(known, event, event.timestamp, awaits_end=self._awaits_end)
                self._activities[id] = observed.activity
                self.devices[id] = observe_device(self.devices.get(id, {}), event, event.timestamp)
                self.registrations.add(id, event, self._now)
            yield

    def finish(self) -> dict[UUID, Activity]:
        """Return the activity; sessions whose end is past are over."""
        return {
            id: sessions.end(one, one.active_until)
            if one.ends_at is not None and one.active_until + sessions.SILENCE <= self._now
            else one
            for id, one in self._activities.items()
        }
