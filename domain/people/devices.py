"""Devices: the apps and browsers of a person, as they describe themselves.

Source: Segment's spec, common fields, `context.device`, `app`, `os`, and the lifecycle events of mobile apps.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import asdict, replace

from domain.people.client_context import find_platform, read_object, read_text
from domain.people.sessions import LAST_SEEN_STEP
from domain.people.surroundings import read_surroundings
from domain.tracking.event import Event

# The devices of a person: beyond this, the one seen longest ago is forgotten.
MAX_DEVICES: Final = 20


class Device(Struct, frozen=True, kw_only=True):
    """A device. `id` is the client's, or the anonymous id of a browser.

    `last_seen` is as coarse as the person's.
    """

    id: str
    platform: str | None = None
    app: str | None = None
    app_version: str | None = None
    os: str | None = None
    os_version: str | None = None
    model: str | None = None
    locale: str | None = None
    timezone: str | None = None
    first_seen: datetime
    last_seen: datetime


# Descriptions, for a merge of what two said of the same device.
_DESCRIBED: Final = tuple(name for name in Device.__struct_fields__ if name not in ("id", "first_seen", "last_seen"))


def read_device(event: Event, at: datetime) -> Device | None:
    """Return the device that reported an event; None for a server, or without an id."""
    platform = find_platform(event)
    if platform is None:
        return None
    context = event.context
    device, app, system = read_object(context, "device"), read_object(context, "app"), read_object(context, "os")
    id = read_text(device, "id") or event.anonymous_id
    if id is None:
        return None
    surroundings = read_surroundings(context)
    is_app = platform == "app"
    kind = read_text(device, "type") or read_text(system, "name")
    return Device(
        id=id[:255],
        platform=(kind.lower() if kind else None) if is_app else "web",
        app=(read_text(app, "name") or read_text(app, "namespace")) if is_app else None,
        app_version=read_text(app, "version") if is_app else None,
        os=read_text(system, "name") or read_text(read_object(context, "userAgentData"), "platform"),
        os_version=read_text(system, "version"),
        model=read_text(device, "model") if is_app else None,
        locale=surroundings.get("locale"),
        timezone=surroundings.get("timezone"),
        first_seen=at,
        last_seen=at,
    )


def observe_device(known: Mapping[str, Device], event: Event, at: datetime) -> Mapping[str, Device]:
    """Return a person's devices after an event; the same object if nothing changes."""
    seen = read_device(event, at)
    if seen is None:
        return known
    before = known.get(seen.id)
    after = seen if before is None else _join(before, seen)
    if before is not None and _is_as_before(before, after):
        return known
    return keep_latest([*(device for device in known.values() if device.id != seen.id), after])


def merge_devices(one: Mapping[str, Device], other: Mapping[str, Device]) -> Mapping[str, Device]:
    """Merge the devices of two people by their ids."""
    merged = dict(one)
    for id, device in other.items():
        merged[id] = _join(merged[id], device) if id in merged else device
    return keep_latest(merged.values())


def keep_latest(devices: Iterable[Device]) -> dict[str, Device]:
    """Return at most MAX_DEVICES by id, those seen last."""
    latest = sorted(devices, key=lambda device: (device.last_seen, device.id), reverse=True)
    return {device.id: device for device in latest[:MAX_DEVICES]}


def _join(one: Device, other: Device) -> Device:
    """Join two descriptions: the later one wins, and the earlier fills what it lacks."""
    earlier, later = (one, other) if one.last_seen <= other.last_seen else (other, one)
    said: dict[str, Any] = asdict(later)
    filled = {name: getattr(earlier, name) for name in _DESCRIBED if said[name] is None}
    return replace(later, **filled, first_seen=min(one.first_seen, other.first_seen))


def _is_as_before(before: Device, after: Device) -> bool:
    is_soon = after.last_seen < before.last_seen + LAST_SEEN_STEP
    return is_soon and after == replace(before, last_seen=after.last_seen)
