"""Holds: place, list and release them, and end those that wait for an event."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct

from application.people import lock_person, unknown_person
from application.references import load_names
from domain.access import Actor
from domain.errors import ConflictError, InvalidRequestError, NotFoundError
from domain.people.identity import PersonRef
from domain.sending.holds import HoldState, check_end, state_of
from domain.suggestions import did_you_mean
from domain.tracking.event import SOJOURN_SOURCE, Trust
from domain.tracking.stored_event import StoredEvent
from store import audit, campaigns, holds, operations, profiles
from store.database import Connection, Database
from store.holds import HoldRow

# Open holds of one person, and of all segments and areas: the gate reads them all.
MAX_OPEN: Final = 20


class HoldView(Struct, frozen=True):
    """A hold and its state.

    `user` is the id by which the person was named, of a `kind`; else `segment` or `area` is set.
    """

    id: UUID
    user: str | None
    kind: str | None
    segment: str | None
    area: str | None
    until: datetime
    event: str | None
    reason: str
    state: HoldState
    placed_by: str
    placed_at: datetime
    ended_at: datetime | None
    ended_by: str | None


class SegmentRef(Struct, frozen=True):
    """A segment by its key."""

    key: str


class AreaRef(Struct, frozen=True):
    """An area by its key."""

    key: str


class HoldRequest(Struct, frozen=True):
    """A hold until an instant, of a person, a segment or an area.

    One of a person may also end by an event of theirs.
    """

    of: PersonRef | SegmentRef | AreaRef
    until: datetime
    reason: str
    event: str | None = None


class Holds:
    """Holds all marketing to people, and releases it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def place(self, request: HoldRequest, *, by: Actor) -> HoldView:
        """Place a hold.

        Once this returns, no marketing message is handed over to the person any more. Raises NotFoundError,
        ConflictError beyond MAX_OPEN, and InvalidRequestError for an end that is past or too far.
        """
        async with self._database.transaction() as connection:
            now = connection.clock.now()
            check_end(request.until, now)
            profile_id: UUID | None = None
            match request.of:
                case PersonRef(id=value, kind=kind):
                    kind = kind or "user"
                    await campaigns.lock_registry_shared(connection)
                    profile_id = (await lock_person(connection, request.of)).id
                case SegmentRef(key=value) | AreaRef(key=value):
                    kind = "segment" if isinstance(request.of, SegmentRef) else "area"
                    if request.event is not None:
                        raise InvalidRequestError(f"an event ends the hold of a person, not of a {kind}")
                    await _lock_group(connection, request.of)
            if await holds.count_open(connection, profile_id) >= MAX_OPEN:
                raise ConflictError(f"there are {MAX_OPEN} open holds of that kind: release one first")
            hold = await holds.place(
                connection,
                profile_id,
                id_kind=kind,
                id_value=value,
                until=request.until,
                event=request.event,
                reason=request.reason,
                placed_by=by.name,
            )
            await audit.record(connection, by, "hold.place", value, {"hold": str(hold.id), "kind": kind})
            return _view(hold, now)

    async def page(
        self, *, person: PersonRef | None, only_open: bool, before: UUID | None, limit: int, by: Actor
    ) -> list[HoldView]:
        """Return holds, the newest first; the audit log says who has looked.

        Raises NotFoundError for a person never named.
        """
        async with self._database.transaction() as connection:
            profile_id = None if person is None else await profiles.find(connection, person)
            if person is not None and profile_id is None:
                raise unknown_person(person)
            found = await holds.page(connection, profile_id=profile_id, only_open=only_open, before=before, limit=limit)
            await audit.record_list(connection, by, "holds", None if person is None else person.id)
            return [_view(hold, connection.clock.now()) for hold in found]

    async def release(self, id: UUID, *, by: Actor) -> HoldView:
        """Release a hold; its messages go on. One that is over stays as it is.

        Raises NotFoundError.
        """
        async with self._database.transaction() as connection:
            known = await holds.find(connection, id)
            if known is not None and known.profile_id is None:
                await campaigns.lock_registry_exclusive(connection)
            if await holds.end(connection, id, by.name):
                await request_release(connection, [id], by.name)
                await audit.record(connection, by, "hold.release", str(id))
            hold = await holds.find(connection, id)
            if hold is None:
                raise NotFoundError(f"there is no hold {id}", hold=str(id))
            return _view(hold, connection.clock.now())


async def _lock_group(connection: Connection, of: SegmentRef | AreaRef) -> None:
    """Wait for decisions under way. Raises NotFoundError."""
    await campaigns.lock_registry_exclusive(connection)
    names = await load_names(connection)
    kind, known = ("segment", names.segments) if isinstance(of, SegmentRef) else ("area", names.areas)
    if of.key not in known:
        raise NotFoundError(f"there is no {kind} {of.key}. {did_you_mean(of.key, known, 'Applied')}", **{kind: of.key})


async def request_release(connection: Connection, ids: Sequence[UUID], requested_by: str) -> None:
    """Let the journeys ask again that ended holds have held."""
    for id in ids:
        await operations.insert_for_deployment(connection, "release", {"hold": str(id)}, requested_by=requested_by)


async def end_holds_by_events(connection: Connection, stored: Sequence[StoredEvent]) -> None:
    """End the open holds that wait for one of these events.

    Neither history nor what a browser reports without a user token ends one.
    """
    ending = [
        {"profile_id": one.profile_id, "name": one.event.name, "id": str(one.event.id)}
        for one in stored
        if one.event.type == "track" and one.event.trust is Trust.VERIFIED and not one.event.is_history
    ]
    if ending and (ended := await holds.end_by_events(connection, ending)):
        await request_release(connection, ended, SOJOURN_SOURCE)


def _view(hold: HoldRow, now: datetime) -> HoldView:
    return HoldView(
        id=hold.id,
        user=None if hold.profile_id is None else hold.id_value,
        kind=None if hold.profile_id is None else hold.id_kind,
        segment=hold.id_value if hold.profile_id is None and hold.id_kind == "segment" else None,
        area=hold.id_value if hold.profile_id is None and hold.id_kind == "area" else None,
        until=hold.until,
        event=hold.event,
        reason=hold.reason,
        state=state_of(hold.until, hold.ended_at, now),
        placed_by=hold.placed_by,
        placed_at=hold.placed_at,
        ended_at=hold.ended_at,
        ended_by=hold.ended_by,
    )
