"""Events that name and merge identities."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from msgspec.structs import replace

from domain.people.identity import Identity, Known, Resolution, identities_of
from domain.people.profile_state import Source
from domain.people.statements import event_source
from domain.tracking.event import Event


def identity_sources(events: Iterable[Event]) -> dict[Identity, Source]:
    """Return the first event that names each identity."""
    sources: dict[Identity, Source] = {}
    for event in events:
        for identity in identities_of([event]):
            sources.setdefault(identity, event_source(event))
    return sources


def merge_sources(
    resolution: Resolution, known: Mapping[Identity, Known], sources: Mapping[Identity, Source]
) -> dict[UUID, Source]:
    """Return the event that merges each profile into another."""
    return {
        entry.profile_id: replace(sources[identity], kind="merge")
        for identity, entry in sorted(known.items())
        if entry.profile_id in resolution.merged and identity in sources
    }
