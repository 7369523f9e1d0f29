"""Decode one tracking call: JSON text in, an Event or an error out.

Sources of the rules: the Segment spec, and the limits of PostgreSQL's jsonb.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, get_args
from uuid import UUID

import msgspec

from domain.tracking.arrival import Occurrence, correct
from domain.tracking.event import INTEGRATION, OUR_CONTEXT, USER_TOKEN, CallType, Event
from domain.tracking.external_ids import read_external_ids
from domain.tracking.identifiers import MAX_ID_CHARACTERS, Identifier, Placeholders, missing_error, read_identifier
from domain.tracking.instants import instant
from domain.tracking.item_error import MAX_DEPTH, UNREADABLE, ItemError, explain_unreadable, quote_value
from domain.tracking.shared import NOTHING_SHARED, Shared, merge_shared
from domain.tracking.surrogates import may_have_halves, replace_halves
from domain.tracking.traits import LeftOut, read_group_traits, read_traits

TYPES: tuple[CallType, ...] = get_args(CallType)
MAX_ITEM_BYTES = 32 * 1024

_INT_RANGE = range(-(2**63), 2**63)
# An integer beyond 64 bits has 19 digits or more. Finding the digits in a translated copy takes 0.14 µs for an event of
# 280 bytes, a regular expression 2.2 µs.
_DIGITS = bytes(ord("9") if 48 <= byte <= 57 else ord(" ") for byte in range(256))
_LONG_NUMBER = b"9" * 19
# PHP writes an empty object as `[]`.
_Object = dict[str, Any] | list[Any] | None


class Item(msgspec.Struct, frozen=True):
    """The event of a call, its parts left out, and its user token, unverified."""

    event: Event
    left_out: list[LeftOut]
    user_token: Any = None


class _Call(msgspec.Struct, rename="camel"):
    """A call as clients write it. A field of type Any is checked later."""

    type: str | None = None
    message_id: Identifier = None
    event: str | None = None
    name: str | None = None
    category: str | None = None
    user_id: Identifier = None
    anonymous_id: Identifier = None
    previous_id: Identifier = None
    group_id: Identifier = None
    properties: _Object = None
    traits: _Object = None
    context: _Object = None
    integrations: Any = None
    timestamp: Any = None
    original_timestamp: Any = None
    sent_at: Any = None


# The required types of fields, for errors.
_TEXT = (str | None, "a string or null")
_ID = (Identifier, "a string, a whole number or null")
_OBJECT = (dict | list | None, "an object or null")
_FIELDS = {
    **dict.fromkeys(("type", "event", "name", "category"), _TEXT),
    **dict.fromkeys(("messageId", "userId", "anonymousId", "previousId", "groupId"), _ID),
    **dict.fromkeys(("properties", "traits", "context"), _OBJECT),
}

_decode_call = msgspec.json.Decoder(_Call).decode


def event_of_item(
    raw: bytes,
    *,
    kind: CallType | None,
    source: str,
    sent_at: datetime | None,
    received_at: datetime,
    new_id: Callable[[], UUID],
    placeholders: Placeholders,
    shared: Shared = NOTHING_SHARED,
) -> Item:
    """Decode the event of one call.

    `kind` is the type if the route names it, None if the item must. `sent_at` is when the batch was sent by the
    client's clock; without it the call's own is used. The `category` of a page or screen is stored among its
    properties. `shared` are the batch's values for all calls. A call without a `messageId` gets the event's own id.
    Raises ItemError.
    """
    if len(raw) > MAX_ITEM_BYTES:
        raise ItemError(f"the call has {len(raw):,} bytes; at most {MAX_ITEM_BYTES:,} are accepted")
    call = _read(raw)
    _check_storable(raw, call)
    type_ = kind or call.type
    if type_ not in TYPES:
        raise ItemError(
            f"type must be one of {', '.join(TYPES)}; it is {'missing' if type_ is None else quote_value(type_)}"
        )
    stated = merge_shared(shared.context, _object("context", call.context))
    user_token = stated.get(USER_TOKEN)
    context = _context(stated)
    integrations = merge_shared(shared.integrations, _integrations(call))
    name, properties, left_out = _name_and_properties(type_, call, context)
    user_id = read_identifier("userId", call.user_id, placeholders)
    anonymous_id = read_identifier("anonymousId", call.anonymous_id, placeholders)
    previous_id = group_id = None
    if type_ == "alias":
        previous_id = read_identifier("previousId", call.previous_id, placeholders)
        if previous_id is None or user_id is None:
            lacking = [] if previous_id else [missing_error("previousId", call.previous_id)]
            lacking += [] if user_id else [missing_error("userId", call.user_id)]
            raise ItemError(
                f"an alias needs previousId and userId, both non-empty strings; it lacks {' and '.join(lacking)}"
            )
    elif user_id is None and anonymous_id is None:
        given = {"userId": call.user_id, "anonymousId": call.anonymous_id}
        fields = [missing_error(field, value) for field, value in given.items() if value not in (None, "")]
        but = f"; it has {' and '.join(fields)}" if fields else ""
        raise ItemError(f"userId or anonymousId is needed: a non-empty string{but}")
    if type_ == "group":
        group_id = read_identifier("groupId", call.group_id, placeholders)
        if group_id is None:
            raise ItemError(
                f"a group needs groupId, a non-empty string; it lacks {missing_error('groupId', call.group_id)}"
            )
    context, unnamed = _read_account(context, placeholders)
    external_ids, unread = read_external_ids(context, placeholders)
    occurrence = _occurrence(call, sent_at, received_at)
    id = new_id()
    event = Event(
        id=id,
        source=source,
        message_id=read_identifier("messageId", call.message_id, placeholders) or str(id),
        type=type_,
        name=name,
        user_id=user_id,
        anonymous_id=anonymous_id,
        previous_id=previous_id,
        external_ids=external_ids,
        group_id=group_id,
        properties=properties,
        context=context,
        timestamp=occurrence.timestamp,
        reported_timestamp=occurrence.reported,
        integrations=integrations,
        is_history=context.get("backfill") is True or integrations.get(INTEGRATION) is False,
    )
    return Item(event, left_out + unnamed + unread, user_token)


def _read_account(context: dict[str, Any], placeholders: Placeholders) -> tuple[dict[str, Any], list[LeftOut]]:
    """Return a context whose `groupId` names an account, or is absent.

    Else all people of a faulty client would be members of one account, `undefined`.
    """
    value = context.get("groupId")
    if value is None:
        return context, []
    others = {name: value for name, value in context.items() if name != "groupId"}
    try:
        if not isinstance(value, str | int | float | bool):
            raise ItemError(f"context.groupId must be a string or a whole number; it is {quote_value(value)}")
        text = read_identifier("context.groupId", value, placeholders)
    except ItemError as error:
        return others, [LeftOut("context.groupId", str(error), value)]
    if text is not None:
        return {**others, "groupId": text}, []
    if value == "":
        return others, []
    said = f"context.groupId must name an account; {quote_value(value)} stands for no id: leave it out"
    return others, [LeftOut("context.groupId", said, value)]


def shared_context(text: bytes) -> dict[str, Any]:
    """Read the context of a batch. Raises ItemError, as for a call's own context."""
    return _object("context", _read_shared(b'{"context":%b}' % text).context)


def shared_integrations(text: bytes) -> dict[str, Any]:
    """Read the integrations of a batch. Raises ItemError."""
    return _integrations(_read_shared(b'{"integrations":%b}' % text))


def _read_shared(raw: bytes) -> _Call:
    if len(raw) > MAX_ITEM_BYTES:
        raise ItemError(f"{len(raw):,} bytes; at most {MAX_ITEM_BYTES:,} are accepted")
    call = _read(raw)
    _check_storable(raw, call)
    return call


def _read(raw: bytes) -> _Call:
    try:
        return _decode_checked(raw)
    except msgspec.ValidationError as error:
        raise ItemError("a number is larger than can be read: send it as a string") from error
    except UNREADABLE as error:
        if may_have_halves(raw) and (whole := replace_halves(raw)) != raw:
            return _read(whole)
        raise ItemError(f"not valid JSON: {explain_unreadable(error)}{_hint(raw)}") from error


def _decode_checked(raw: bytes) -> _Call:
    """Decode a call. Raises ItemError for JSON of another shape, and msgspec's errors."""
    try:
        return _decode_call(raw)
    except msgspec.ValidationError as error:
        raise ItemError(_explain_shape(msgspec.json.decode(raw))) from error


def _explain_shape(call: Any) -> str:
    """Explain why a value is not a call."""
    if not isinstance(call, dict):
        return f"a call must be an object; it is {quote_value(call)}"
    return next(
        f"{field} must be {words}; it is {quote_value(call[field])}"
        for field, (wanted, words) in _FIELDS.items()
        if not isinstance(call.get(field), wanted)
    )


def _hint(raw: bytes) -> str:
    """Return a hint at the likely fault of invalid JSON."""
    if b"NaN" in raw or b"Infinity" in raw:
        return ". NaN and Infinity are not JSON: send null"
    return ""


def _check_storable(raw: bytes, call: _Call) -> None:
    """Check a text closely only if it has escapes, long numbers or depth."""
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


def _name_and_properties(
    type_: CallType, call: _Call, context: dict[str, Any]
) -> tuple[str | None, dict[str, Any], list[LeftOut]]:
    match type_:
        case "track":
            if not call.event:
                raise ItemError("a track needs event, a non-empty string")
            return _check_bounds("event", call.event), _object("properties", call.properties), []
        case "page" | "screen":
            properties = _object("properties", call.properties)
            if call.category is not None:
                properties.setdefault("category", call.category)
            return _check_bounds("name", call.name) if call.name else None, properties, []
        case "identify":
            return None, *read_traits(_object("traits", call.traits) or _traits_in(context))
        case "group":
            return None, *read_group_traits(_object("traits", call.traits))
        case _:
            return None, _object("traits", call.traits), []


def _traits_in(context: dict[str, Any]) -> dict[str, Any]:
    """Return the user's traits in a context.

    RudderStack's clients put the traits of an identify only there (rudder-sdk-python 2.1.9, client.py). In a group they
    would be the user's, not the group's.
    """
    traits = context.get("traits")
    return dict(traits) if isinstance(traits, dict) else {}


def _object(field: str, value: _Object) -> dict[str, Any]:
    """Return the object, empty if there is none. Raises ItemError."""
    if isinstance(value, dict):
        return value
    if value:
        raise ItemError(f"{field} must be an object or null; it is {quote_value(value)}")
    return {}


def _check_bounds(field: str, text: str) -> str:
    if len(text) > MAX_ID_CHARACTERS:
        raise ItemError(f"{field} may have {MAX_ID_CHARACTERS} characters; it has {len(text):,}")
    return text


def _context(context: dict[str, Any]) -> dict[str, Any]:
    """Return the client's context, without its token and the key of Sojourn itself."""
    if OUR_CONTEXT not in context and USER_TOKEN not in context:
        return context
    return {name: value for name, value in context.items() if name not in (OUR_CONTEXT, USER_TOKEN)}


def _integrations(call: _Call) -> dict[str, Any]:
    """Return the client's choice of services; anything but an object is ignored."""
    return call.integrations if isinstance(call.integrations, dict) else {}


def _occurrence(call: _Call, sent_at: datetime | None, received_at: datetime) -> Occurrence:
    stated = call.timestamp if call.timestamp is not None else call.original_timestamp
    if stated is None or (isinstance(stated, str) and not stated.strip()):
        return Occurrence(received_at)
    reported = instant(stated)
    if reported is None:
        raise ItemError(f'timestamp must be ISO 8601, such as "2026-11-01T10:00:00.000Z"; it is {quote_value(stated)}')
    if sent_at is None and call.sent_at is not None:
        sent_at = instant(call.sent_at)
    return correct(reported, sent_at, received_at)
