"""Addresses at which push services reach the apps and browsers of a person.

Sources: Segment's spec, `context.device`; the Push API, `PushSubscription.toJSON()`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal, get_args

from msgspec import Struct

from domain.people.client_context import find_platform, read_object, read_text
from domain.tracking.event import Event, Trust

# A registration token of Firebase, the id of a Firebase installation, a token of Apple's, a subscription of a browser.
AddressKind = Literal["token", "fid", "apns", "endpoint"]
ADDRESS_KINDS: Final[tuple[AddressKind, ...]] = get_args(AddressKind)
# The two services of Apple, for builds of the App Store and those of developers.
ApnsEnvironment = Literal["production", "sandbox"]

# A message goes to so many devices of a person, those seen last.
MAX_REACHED: Final = 5
SEEN_WITHIN: Final = timedelta(days=60)
# A row of an index holds 2.7 kB. Tokens have some 200 characters, subscriptions of browsers up to 500.
MAX_ADDRESS_CHARACTERS: Final = 2_000
# Events after which a push service does not reach the app any more.
REMOVING_EVENTS: Final = frozenset({"Application Uninstalled", "Device Deleted"})

_VALUE: Final = re.compile(rf"[\x21-\x7e]{{1,{MAX_ADDRESS_CHARACTERS}}}")
_ENDPOINT: Final = re.compile(r"https://[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+(?::443)?(?:/.*)?")
_APNS: Final = re.compile(r"(?:[0-9a-fA-F]{2}){32,100}")
_APPLE: Final = frozenset({"ios", "ipados", "macos", "tvos", "visionos", "watchos"})
# The key of a browser and its secret: 65 and 16 bytes in base64 for URLs.
_KEYS: Final = {"p256dh": re.compile(r"B[A-Za-z0-9_-]{86}=?"), "auth": re.compile(r"[A-Za-z0-9_-]{22}={0,2}")}


class DeviceAddress(Struct, frozen=True, kw_only=True):
    """The address of one app or browser. `app` is its name, and empty if it has none.

    `keys` are those of a browser, by which its messages are encrypted. `device_id` is the client's. Without an
    `environment` the token may be of either service of Apple's.
    """

    value: str
    kind: AddressKind
    seen_at: datetime
    app: str = ""
    device_id: str | None = None
    environment: ApnsEnvironment | None = None
    keys: dict[str, str] | None = None


class RemovedDevice(Struct, frozen=True):
    """A device that is not to be reached any more, by its address or by its id."""

    at: datetime
    reason: str
    value: str | None = None
    device_id: str | None = None


def find_fault(address: DeviceAddress) -> str | None:
    """Return what is wrong with an address; None if nothing is."""
    if not _VALUE.fullmatch(address.value):
        return f"an address has 1 to {MAX_ADDRESS_CHARACTERS} characters of ASCII, without blanks"
    if address.kind == "endpoint":
        if not _ENDPOINT.fullmatch(address.value):
            return "the `endpoint` of a subscription is an https:// URL with a host name, at port 443"
        keys = address.keys or {}
        if keys.keys() != _KEYS.keys() or not all(form.fullmatch(keys[name]) for name, form in _KEYS.items()):
            return "the `keys` of a subscription are `p256dh` and `auth`, as the browser gives them"
    elif address.keys is not None:
        return "only the subscription of a browser has `keys`"
    if address.kind == "apns" and not _APNS.fullmatch(address.value):
        return "a token of Apple's is hexadecimal, with 64 digits or more"
    if address.kind != "apns" and address.environment is not None:
        return "only a token of Apple's has an `environment`"
    return None


def read_registration(event: Event) -> DeviceAddress | None:
    """Return the address that an event registers; None without one that is usable.

    An event that may be forged registers nothing: a known address would leave its person.
    """
    if event.trust is not Trust.VERIFIED or event.name in REMOVING_EVENTS or find_platform(event) is None:
        return None
    context = event.context
    device = read_object(context, "device")
    found = _read_value(device, read_object(context, "os"))
    if found is None:
        return None
    value, kind, keys = found
    app = read_object(context, "app")
    address = DeviceAddress(
        value=value,
        kind=kind,
        seen_at=event.timestamp,
        app=read_text(app, "namespace") or read_text(app, "name") or "",
        device_id=read_text(device, "id") or event.anonymous_id,
        keys=keys,
    )
    return None if find_fault(address) else address


def read_removal(event: Event) -> RemovedDevice | None:
    """Return the device that an event says is gone."""
    if event.trust is not Trust.VERIFIED or event.name not in REMOVING_EVENTS or event.type != "track":
        return None
    device = read_object(event.context, "device")
    found = _read_value(device, read_object(event.context, "os"))
    value = None if found is None else found[0]
    id = read_text(device, "id")
    return RemovedDevice(event.timestamp, event.name, value, id) if value or id else None


def list_reached(addresses: Iterable[DeviceAddress], at: datetime) -> Sequence[DeviceAddress]:
    """Return the addresses that a message goes to at an instant, the newest first."""
    current = [one for one in addresses if one.seen_at > at - SEEN_WITHIN]
    return sorted(current, key=lambda one: (one.seen_at, one.value), reverse=True)[:MAX_REACHED]


def _read_value(
    device: Mapping[str, Any], system: Mapping[str, Any]
) -> tuple[str, AddressKind, dict[str, str] | None] | None:
    subscription = read_object(device, "subscription")
    if isinstance(endpoint := subscription.get("endpoint"), str):
        keys = {name: value for name, value in read_object(subscription, "keys").items() if isinstance(value, str)}
        return endpoint, "endpoint", {name: keys[name] for name in _KEYS if name in keys}
    if not isinstance(token := device.get("token"), str):
        return None
    platform = (read_text(device, "type") or read_text(system, "name") or "").lower()
    # Apps for Apple's devices report a token of Apple's, or one of Firebase's if they have its SDK.
    is_apple = platform in _APPLE and _APNS.fullmatch(token) is not None
    return token, "apns" if is_apple else "token", None
