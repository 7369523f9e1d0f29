"""An event that is stored with its person."""

from uuid import UUID

from msgspec import Struct

from domain.tracking.event import Event


class StoredEvent(Struct, frozen=True, gc=False):
    """An event with the profile it belongs to."""

    profile_id: UUID
    event: Event
