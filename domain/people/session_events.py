"""Events of sessions: their ends, and openings of an app or a site."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid5

from msgspec import Struct

from domain.people.client_context import Platform, find_platform, find_screen, read_referrer, read_utm_campaign
from domain.people.devices import read_device
from domain.people.sessions import SILENCE, Session
from domain.tracking.event import SOJOURN_SOURCE, Event, EventType, Trigger, Trust

SESSION_ENDED: Final = "Session Ended"
ENDED_TRIGGER: Final = Trigger("track", SESSION_ENDED)
# Names of events and of pages in the properties of one end.
MAX_NAMES: Final = 100


class NamedPerson(Struct, frozen=True):
    """A person with an id that an event can name."""

    profile_id: UUID
    user_id: str | None
    anonymous_id: str | None


def opened_trigger(platform: Platform) -> Trigger:
    """Return the trigger of an opened platform."""
    return Trigger("opened", platform)


def cut_session(events: Iterable[Event]) -> list[Event]:
    """Return the events until the first silence that ends a session."""
    session: list[Event] = []
    for event in events:
        if session and event.timestamp - session[-1].timestamp >= SILENCE:
            break
        session.append(event)
    return session


def ended_event(person: NamedPerson, session: Session, events: Sequence[Event]) -> Event:
    """Build the event of a session's end. It happens when the silence is over."""
    names = Counter(event.name for event in events if event.type == "track" and event.name is not None)
    screens = [screen for event in events if (screen := find_screen(event)) is not None]
    properties: dict[str, Any] = {
        "started_at": _write(session.started_at),
        "last_event_at": _write(session.last_at),
        "duration": round((session.last_at - session.started_at).total_seconds()),
        "event_count": len(events),
        "events": dict(names.most_common(MAX_NAMES)),
        "pages": dict(Counter(screens).most_common(MAX_NAMES)),
        "platforms": sorted({platform for event in events if (platform := find_platform(event)) is not None}),
        **_describe(events),
    }
    if screens:
        properties |= {"first_page": screens[0], "last_page": screens[-1]}
    return _build(person, "track", SESSION_ENDED, properties, session.ended_at, session.started_at, events)


def opened_event(person: NamedPerson, platform: Platform, at: datetime, events: Sequence[Event]) -> Event:
    """Build the event of a platform that a session uses for the first time."""
    screens = [screen for event in events if (screen := find_screen(event)) is not None]
    properties = {**_describe(events), **({"first_page": screens[0]} if screens else {})}
    return _build(person, "opened", platform, properties, at, at, events)


def _build(
    person: NamedPerson,
    type: EventType,
    name: str,
    properties: dict[str, Any],
    at: datetime,
    started_at: datetime,
    events: Iterable[Event],
) -> Event:
    # Depends on the session alone, so that it is stored once however often it is made.
    id = uuid5(person.profile_id, f"{type} {name} {started_at.isoformat()}")
    is_verified = person.user_id is not None or any(event.trust is Trust.VERIFIED for event in events)
    return Event(
        id=id,
        source=SOJOURN_SOURCE,
        message_id=str(id),
        type=type,
        name=name,
        user_id=person.user_id,
        anonymous_id=person.anonymous_id,
        properties=properties,
        context={},
        timestamp=at,
        trust=Trust.VERIFIED if is_verified else Trust.ANONYMOUS,
    )


def _describe(events: Iterable[Event]) -> dict[str, Any]:
    """Return what brought the person, and the last device."""
    found: dict[str, Any] = {}
    for event in events:
        if (referrer := read_referrer(event)) is not None:
            found.setdefault("referrer", referrer)
        if (campaign := read_utm_campaign(event)) is not None:
            found.setdefault("campaign", campaign)
        if (device := read_device(event, event.timestamp)) is not None:
            said = {"platform": device.platform, "app_version": device.app_version, "os": device.os}
            found["device"] = {"id": device.id, **{name: value for name, value in said.items() if value is not None}}
    return found


def _write(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
