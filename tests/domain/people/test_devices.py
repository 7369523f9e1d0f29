"""Devices, as clients describe them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from domain.people.devices import MAX_DEVICES, Device, merge_devices, observe_device
from domain.tracking.event import Event

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
PHONE: dict[str, Any] = {
    "device": {"id": "d1", "type": "ios", "model": "iPhone17,1", "token": "t-1"},
    "app": {"name": "Shop", "version": "4.2"},
    "os": {"name": "iOS", "version": "19.1"},
    "locale": "de-DE",
    "timezone": "europe/berlin",
}


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def event(name: str = "Viewed", anonymous: str | None = None, **context: Any) -> Event:
    id = uuid4()
    return Event(
        id=id,
        message_id=str(id),
        type="track",
        name=name,
        user_id="u1",
        anonymous_id=anonymous,
        properties={},
        context=context,
        timestamp=NOON,
    )


def test_a_phone_a_browser_and_a_server() -> None:
    known = observe_device({}, event(**PHONE), at(0))
    assert known == {
        "d1": Device(
            id="d1",
            platform="ios",
            app="Shop",
            app_version="4.2",
            os="iOS",
            os_version="19.1",
            model="iPhone17,1",
            locale="de-DE",
            timezone="Europe/Berlin",
            first_seen=at(0),
            last_seen=at(0),
        )
    }
    known = observe_device(known, event(anonymous="a1", page={"path": "/"}, locale="en-GB"), at(1))
    assert (known["a1"].platform, known["a1"].locale, known["a1"].app) == ("web", "en-GB", None)
    assert observe_device(known, event(library={"name": "analytics-node"}), at(2)) is known
    assert observe_device(known, event(page={"path": "/"}), at(2)) is known


def test_only_changes_and_five_minutes_are_written() -> None:
    known = observe_device({}, event(**PHONE), at(0))
    assert observe_device(known, event(**PHONE), at(4.9)) is known
    assert observe_device(known, event(device={"id": "d1"}), at(4.9)) is known
    assert observe_device(known, event(**PHONE), at(5))["d1"].last_seen == at(5)
    updated = observe_device(known, event(device={"id": "d1"}, app={"version": "4.3"}), at(1))["d1"]
    assert (updated.app_version, updated.first_seen) == ("4.3", at(0))
    # A late event describes the device as it was.
    late = observe_device({"d1": updated}, event(device={"id": "d1"}, app={"version": "4.1"}), at(-60))["d1"]
    assert (late.app_version, late.first_seen, late.last_seen) == ("4.3", at(-60), at(1))


def test_the_latest_devices_are_kept() -> None:
    known: Any = {}
    for number in range(MAX_DEVICES + 5):
        known = observe_device(known, event(device={"id": f"d{number}"}), at(number))
    assert set(known) == {f"d{number}" for number in range(5, MAX_DEVICES + 5)}
    other = observe_device({}, event(device={"id": "d9"}, app={"version": "9"}), at(-5))
    merged = merge_devices(known, other)
    assert (merged["d9"].app_version, merged["d9"].first_seen, merged["d9"].last_seen) == ("9", at(-5), at(9))
    assert len(merge_devices(known, observe_device({}, event(device={"id": "x"}), at(99)))) == MAX_DEVICES
