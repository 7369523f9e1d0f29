"""The pause of all marketing that a person asks for: a hold of their own."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from application.holds import request_release
from application.people import lock_person
from domain.access import Actor
from domain.people.identity import PersonRef
from store import audit, campaigns, holds
from store.database import Connection, Database

PAUSE: Final = timedelta(days=30)
_ACTOR: Final = Actor("preferences", "preference centre")
# More open holds than a person has: those of an operator are limited, and a person's own pause always has a place.
_MAX_HOLDS: Final = 100
_REASON: Final = "paused by the person"
# Two pauses whose ends are so close are one that was asked for twice at once.
_SAME: Final = timedelta(minutes=1)


async def find_pause(connection: Connection, profile_id: UUID) -> holds.HoldRow | None:
    """Return the pause of a person."""
    found = await holds.page(connection, profile_id=profile_id, only_open=True, before=None, limit=_MAX_HOLDS)
    return next((hold for hold in found if hold.placed_by == _ACTOR.name), None)


async def set_pause(database: Database, profile_id: UUID, until: datetime | None) -> None:
    """Hold all marketing to a person until an instant, or release that."""
    async with database.transaction() as connection:
        await campaigns.lock_registry_shared(connection)
        person = await lock_person(connection, PersonRef(str(profile_id), "profile"))
        pause = await find_pause(connection, person.id)
        if _is_same(None if pause is None else pause.until, until):
            return
        subject = person.user_id or str(person.id)
        if pause is not None:
            await holds.end(connection, pause.id, _ACTOR.name)
            await request_release(connection, [pause.id], _ACTOR.name)
            if until is None:
                await audit.record(connection, _ACTOR, "hold.release", subject)
        if until is not None:
            await holds.place(
                connection,
                person.id,
                id_kind="profile",
                id_value=str(person.id),
                until=until,
                event=None,
                reason=_REASON,
                placed_by=_ACTOR.name,
            )
            await audit.record(connection, _ACTOR, "hold.place", subject)


def _is_same(one: datetime | None, other: datetime | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) < _SAME
