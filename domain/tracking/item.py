"""The rules for one tracking call: its JSON text in, an Event or the reason of its refusal out.

Source of the rules: the Segment spec, and what PostgreSQL's jsonb can hold.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from domain.local_time.zones import find_zone
from domain.tracking.event import INTEGRATION, OUR_CONTEXT, Event
from domain.tracking.shared import NOTHING_SHARED, Shared, merged

TYPES = ("track", "identify", "page", "screen", "group", "alias")
MAX_ITEM_BYTES = 32 * 1024
MAX_ID_CHARACTERS = 255
MAX_DEPTH = 64

_INT_RANGE = range(-(2**63), 2**63)
# An integer outside of 64 bits has 19 digits or more. Finding the run of digits in a translated copy takes 0.14 µs for
# an event of 280 bytes, a regular expression 2.2 µs.
_DIGITS = bytes(ord("9") if 48 <= byte <= 57 else ord(" ") for byte in range(256))
_LONG_NUMBER = b"9" * 19
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class ItemError(ValueError):
    """Why one call was refused, and what would be right. Never leaves the decoder: it becomes a Reject."""


class _Call(msgspec.Struct, rename="camel"):
    """A call as clients write it. Fields whose faults are better explained than by their type are left open."""

    type: str | None = None
    message_id: str | int | None = None
    event: str | None = None
    name: str | None = None
    category: str | None = None
    user_id: str | int | None = None
    anonymous_id: str | int | None = None
    previous_id: str | int | None = None
    group_id: str | int | None = None
    properties: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    integrations: Any = None
    timestamp: Any = None
    original_timestamp: Any = None
    sent_at: Any = None


_decode_call = msgspec.json.Decoder(_Call).decode


def event_of_item(
    raw: bytes,
    *,
    kind: str | None,
    source: str,
    sent_at: datetime | None,
    received_at: datetime,
    new_id: Callable[[], UUID],
    shared: Shared = NOTHING_SHARED,
) -> Event:
    """The event that one call reports.

    `kind` is the type where the address called says it, None where the item must. `sent_at` is when the batch was sent
    by the client's clock, None where it does not say; the call's own is taken then. A page's or screen's `category` is
    kept among its properties. `shared` is what the batch says for all of its calls. A call without a `messageId` gets
    the event's own id for it. Raises ItemError.
    """
    if len(raw) > MAX_ITEM_BYTES:
        raise ItemError(f"the call has {len(raw):,} bytes; at most {MAX_ITEM_BYTES:,} are accepted")
    call = _read(raw)
    _refuse_what_postgres_cannot_hold(raw, call)
    type_ = kind or call.type
    if type_ not in TYPES:
        raise ItemError(f"type must be one of {', '.join(TYPES)}; it is {_shown(type_)}")
    context = _context(merged(shared.context, call.context or {}))
    integrations = merged(shared.integrations, _integrations(call))
    name, properties = _name_and_properties(type_, call, context)
    user_id = _identifier("userId", call.user_id)
    anonymous_id = _identifier("anonymousId", call.anonymous_id)
    previous_id = group_id = None
    if type_ == "alias":
        previous_id = _identifier("previousId", call.previous_id)
        if previous_id is None or user_id is None:
            raise ItemError("an alias needs previousId and userId, both non-empty strings")
    elif user_id is None and anonymous_id is None:
        raise ItemError("userId or anonymousId is needed: a non-empty string")
    if type_ == "group":
        group_id = _identifier("groupId", call.group_id)
        if group_id is None:
            raise ItemError("a group needs groupId, a non-empty string")
    id = new_id()
    return Event(
        id=id,
        source=source,
        message_id=_identifier("messageId", call.message_id) or str(id),
        type=type_,
        name=name,
        user_id=user_id,
        anonymous_id=anonymous_id,
        previous_id=previous_id,
        group_id=group_id,
        properties=properties,
        context=context,
        timestamp=_happened_at(call, sent_at, received_at),
        integrations=integrations,
        is_history=context.get("backfill") is True or integrations.get(INTEGRATION) is False,
    )


def instant(value: Any) -> datetime | None:
    """The UTC instant that an ISO 8601 text names, taking UTC where it names no zone; None where it is no such text."""
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def shared_context(text: bytes) -> dict[str, Any]:
    """The context that a batch gives for all of its calls. Raises ItemError, as for a call that says it itself."""
    return _read_shared(b'{"context":%b}' % text).context or {}


def shared_integrations(text: bytes) -> dict[str, Any]:
    """The integrations that a batch gives for all of its calls. Raises ItemError."""
    return _integrations(_read_shared(b'{"integrations":%b}' % text))


def _read_shared(raw: bytes) -> _Call:
    if len(raw) > MAX_ITEM_BYTES:
        raise ItemError(f"{len(raw):,} bytes; at most {MAX_ITEM_BYTES:,} are accepted")
    call = _read(raw)
    _refuse_what_postgres_cannot_hold(raw, call)
    return call


def _read(raw: bytes) -> _Call:
    try:
        return _decode_call(raw)
    except msgspec.ValidationError as error:
        raise ItemError(str(error)) from error
    except msgspec.DecodeError as error:
        raise ItemError(f"not valid JSON: {error}{_hint(raw)}") from error
    except UnicodeDecodeError as error:
        raise ItemError(f"the text must be UTF-8: {error.reason}") from error
    except RecursionError as error:
        raise ItemError(f"objects and arrays may be nested {MAX_DEPTH} deep") from error


def _hint(raw: bytes) -> str:
    """What is likely to be wrong with a text that is no JSON."""
    if b"NaN" in raw or b"Infinity" in raw:
        return ". NaN and Infinity are no JSON: send null"
    if _SURROGATE.search(raw):
        return r". Escapes from \ud800 to \udfff are half a character each: send whole pairs"
    return ""


def _refuse_what_postgres_cannot_hold(raw: bytes, call: _Call) -> None:
    """Look closely only where the text gives reason to: most calls have neither escapes, long numbers nor depth."""
    if (
        b"\\u0000" not in raw
        and _LONG_NUMBER not in raw.translate(_DIGITS)
        and raw.count(b"{") + raw.count(b"[") <= MAX_DEPTH
    ):
        return
    kept = (call.message_id, call.event, call.name, call.category, call.user_id, call.anonymous_id, call.previous_id)
    if any(isinstance(text, str) and "\0" in text for text in (*kept, call.group_id)):
        raise ItemError(r"the character \u0000 cannot be stored: leave it out")
    pending: list[tuple[Any, int]] = [
        (part, 2) for part in (call.properties, call.traits, call.context, call.integrations)
    ]
    while pending:
        value, depth = pending.pop()
        if isinstance(value, str):
            if "\0" in value:
                raise ItemError(r"the character \u0000 cannot be stored: leave it out")
        elif isinstance(value, int):
            if value not in _INT_RANGE:
                raise ItemError("whole numbers must fit into 64 bits, -2^63 to 2^63-1: send larger ones as strings")
        elif isinstance(value, dict | list):
            if depth > MAX_DEPTH:
                raise ItemError(f"objects and arrays may be nested {MAX_DEPTH} deep")
            if isinstance(value, dict):
                pending.extend((key, depth) for key in value)
                pending.extend((inner, depth + 1) for inner in value.values())
            else:
                pending.extend((inner, depth + 1) for inner in value)


def _name_and_properties(type_: str, call: _Call, context: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
    match type_:
        case "track":
            if not call.event:
                raise ItemError("a track needs event, a non-empty string")
            return _bounded("event", call.event), call.properties or {}
        case "page" | "screen":
            properties = call.properties or {}
            if call.category is not None:
                properties.setdefault("category", call.category)
            return _bounded("name", call.name) if call.name else None, properties
        case "identify":
            return None, _checked_traits(call.traits or _traits_in(context))
        case _:
            return None, call.traits or {}


def _traits_in(context: dict[str, Any]) -> dict[str, Any]:
    """The traits of the user that a context holds.

    RudderStack's clients put those of an identify nowhere else (rudder-sdk-python 2.1.9, client.py). For a group they
    would be the user's and not the group's.
    """
    traits = context.get("traits")
    return dict(traits) if isinstance(traits, dict) else {}


def _identifier(field: str, value: str | int | None) -> str | None:
    """The id as text; None where there is none. An empty one is none: clients send it for a user who is signed out."""
    if value is None or value == "":
        return None
    return _bounded(field, value if isinstance(value, str) else str(value))


def _bounded(field: str, text: str) -> str:
    if len(text) > MAX_ID_CHARACTERS:
        raise ItemError(f"{field} may have {MAX_ID_CHARACTERS} characters; it has {len(text):,}")
    return text


def _checked_traits(traits: dict[str, Any]) -> dict[str, Any]:
    """The traits of a user, of which Sojourn itself reads three. Null takes a trait back."""
    email, zone, consent = traits.get("email"), traits.get("timezone"), traits.get("consent")
    if email is not None and not isinstance(email, str):
        raise ItemError("traits.email must be a string or null")
    if zone is not None and (find_zone(zone) is None):
        raise ItemError(f'traits.timezone must be an IANA name such as "Europe/Berlin"; it is {_shown(zone)}')
    if consent is not None and not (
        isinstance(consent, dict) and all(isinstance(given, bool) for given in consent.values())
    ):
        raise ItemError('traits.consent must be an object of channel and true or false, such as {"email": true}')
    return traits


def _context(context: dict[str, Any]) -> dict[str, Any]:
    """What the client says of its surroundings, without what only Sojourn can say."""
    return {name: value for name, value in context.items() if name != OUR_CONTEXT}


def _integrations(call: _Call) -> dict[str, Any]:
    """What the client says for whom the call is. Anything else than an object says nothing."""
    return call.integrations if isinstance(call.integrations, dict) else {}


def _happened_at(call: _Call, sent_at: datetime | None, received_at: datetime) -> datetime:
    """When it happened by our clock: as long before the arrival as, by the client's clock, before the sending."""
    told = call.timestamp if call.timestamp is not None else call.original_timestamp
    if told is None:
        return received_at
    timestamp = instant(told)
    if timestamp is None:
        raise ItemError(f'timestamp must be ISO 8601, such as "2026-11-01T10:00:00.000Z"; it is {_shown(told)}')
    if sent_at is None and call.sent_at is not None:
        sent_at = instant(call.sent_at)
    if sent_at is None:
        return timestamp
    try:
        return received_at - (sent_at - timestamp)
    except OverflowError as error:
        raise ItemError(
            f"timestamp {_shown(told)}, corrected by sentAt, is no date between years 1 and 9999"
        ) from error


def _shown(value: Any) -> str:
    """A value as it may stand in an error: shortened, and in ASCII so that no odd character goes on with it."""
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
