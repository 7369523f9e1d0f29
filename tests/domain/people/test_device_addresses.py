"""Addresses of devices: what registers them, what removes them, and which a message reaches."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from msgspec.structs import replace

from domain.people.device_addresses import (
    MAX_REACHED,
    SEEN_WITHIN,
    DeviceAddress,
    RemovedDevice,
    find_fault,
    list_reached,
    read_registration,
    read_removal,
)
from domain.tracking.event import CallType, Event, Trust

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
APPLE = "0f" * 32
KEYS = {"p256dh": "B" + "x" * 86, "auth": "y" * 22}
ENDPOINT = "https://fcm.googleapis.com/fcm/send/abc"
BAD_ENDPOINTS = (
    "http://push.example.com",
    "https://push.example.com:8443/1",
    "https://push.example.com:99999/1",
    "https://push.example.com:port/1",
    "https://push.example.com:/1",
    "https://user@push.example.com/1",
    "https://a..push.example.com/1",
    "https://[push.example.com/1",
    "https://localhost/1",
)
PHONE: dict[str, Any] = {
    "device": {"id": "d1", "type": "android", "token": "fcm-1"},
    "app": {"name": "Shop", "namespace": "com.example.shop"},
}


def event(name: str = "Cart Seen", type: CallType = "track", anonymous: str | None = "a1", **context: Any) -> Event:
    id = uuid4()
    return Event(
        id=id,
        message_id=str(id),
        type=type,
        name=name,
        user_id="u1",
        anonymous_id=anonymous,
        properties={},
        context=context,
        timestamp=NOON,
    )


def address(value: str = "fcm-1", minutes: float = 0, **fields: Any) -> DeviceAddress:
    known: dict[str, Any] = {"kind": "token", "seen_at": NOON + timedelta(minutes=minutes)}
    return DeviceAddress(value=value, **{**known, **fields})


def test_a_phone_registers_with_any_event() -> None:
    assert read_registration(event(**PHONE)) == address(app="com.example.shop", device_id="d1")
    assert read_registration(event(**{**PHONE, "app": {"name": "Shop"}})) == address(app="Shop", device_id="d1")


def test_a_token_of_apple_is_known_by_its_device_and_its_form() -> None:
    found = read_registration(event(device={"id": "d1", "type": "iOS", "token": APPLE}))
    assert found == address(APPLE, kind="apns", device_id="d1")
    found = read_registration(event(device={"id": "d1", "token": APPLE}, os={"name": "iPadOS"}))
    assert found == address(APPLE, kind="apns", device_id="d1")
    # One with the SDK of Firebase.
    found = read_registration(event(device={"id": "d1", "type": "ios", "token": "fcm-1"}))
    assert found == address(device_id="d1")
    assert read_registration(event(device={"id": "d1", "type": "android", "token": APPLE})) == address(
        APPLE, device_id="d1"
    )


def test_a_page_registers_the_subscription_of_its_browser() -> None:
    subscription = {"endpoint": ENDPOINT, "expirationTime": None, "keys": {**KEYS, "other": "z"}}
    found = read_registration(event(page={"path": "/"}, device={"subscription": subscription}))
    assert found == address(ENDPOINT, kind="endpoint", keys=KEYS, device_id="a1")


@pytest.mark.parametrize(
    "device",
    [
        {"id": "d1"},
        {"id": "d1", "token": ""},
        {"id": "d1", "token": 7},
        {"id": "d1", "token": "two words"},
        {"id": "d1", "token": "t" * 2_001},
        {"id": "d1", "token": "nul\0"},
        {"subscription": {"endpoint": "http://push.example.com/1", "keys": KEYS}},
        {"subscription": {"endpoint": ENDPOINT}},
        {"subscription": {"endpoint": ENDPOINT, "keys": {"p256dh": KEYS["p256dh"]}}},
        {"subscription": {"endpoint": ENDPOINT, "keys": {**KEYS, "auth": "short"}}},
        {"subscription": {"endpoint": ENDPOINT, "keys": "none"}},
    ],
)
def test_what_is_no_address_registers_nothing(device: dict[str, Any]) -> None:
    assert read_registration(event(device=device)) is None


@pytest.mark.parametrize("trust", [Trust.ANONYMOUS, Trust.UNVERIFIED])
def test_an_event_that_may_be_forged_neither_registers_nor_removes(trust: Trust) -> None:
    subscription = {"endpoint": ENDPOINT, "keys": KEYS}
    for context in (PHONE, {"page": {"path": "/"}, "device": {"subscription": subscription}}):
        assert read_registration(replace(event(**context), trust=trust)) is None
        assert read_removal(replace(event("Device Deleted", **PHONE), trust=trust)) is None


def test_a_server_registers_nothing_by_its_events() -> None:
    assert read_registration(event(library={"name": "analytics-node"})) is None


@pytest.mark.parametrize("name", ["Application Uninstalled", "Device Deleted"])
def test_an_app_that_is_removed_takes_its_address_along(name: str) -> None:
    assert read_removal(event(name, **PHONE)) == RemovedDevice(NOON, name, "fcm-1", "d1")
    assert read_removal(event(name, device={"id": "d1"})) == RemovedDevice(NOON, name, None, "d1")
    assert read_registration(event(name, **PHONE)) is None
    # Not that of another device of the same browser or user.
    assert read_removal(event(name)) is None
    assert read_removal(event(name, type="page", **PHONE)) is None
    assert read_removal(event(**PHONE)) is None


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (address(), None),
        (address("fid-1", kind="fid"), None),
        (address(APPLE, kind="apns", environment="sandbox"), None),
        (address(ENDPOINT, kind="endpoint", keys=KEYS), None),
        (address(""), "1 to 2000 characters"),
        (address("two words"), "without blanks"),
        (address("abc", kind="apns"), "hexadecimal"),
        (address("f" * 65, kind="apns"), "hexadecimal"),
        (address(environment="sandbox"), "only a token of Apple's"),
        (address(keys=KEYS), "only the subscription of a browser"),
        (address(ENDPOINT, kind="endpoint"), "`p256dh` and `auth`"),
        *((address(one, kind="endpoint", keys=KEYS), "https://") for one in BAD_ENDPOINTS),
        *((address(one, kind="endpoint", keys=KEYS), None) for one in ("https://a.example.com:443/x?y=:1", ENDPOINT)),
    ],
)
def test_the_fault_of_an_address_is_told(found: DeviceAddress, fault: str | None) -> None:
    said = find_fault(found)
    assert said is None if fault is None else said is not None and fault in said


def test_the_newest_five_of_sixty_days_are_reached() -> None:
    known = [address(str(number), minutes=number) for number in range(MAX_REACHED + 2)]
    old = replace(known[-1], value="old", seen_at=NOON - SEEN_WITHIN)
    assert [one.value for one in list_reached([old, *known], NOON)] == ["6", "5", "4", "3", "2"]
    assert list_reached(known[:2], NOON + SEEN_WITHIN) == [known[1]]
    assert list_reached(known, NOON + SEEN_WITHIN + timedelta(hours=1)) == []
