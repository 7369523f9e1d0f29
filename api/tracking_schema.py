"""The OpenAPI schema of tracking calls, which follows domain/tracking.

JSON Schema cannot express all of it: that texts hold no U+0000, how deep objects may be nested, which zones exist,
which texts count as no id. Invalid traits are left out, so none of their types is a condition.
"""

from typing import Any

from domain.tracking.batch import MAX_ITEMS
from domain.tracking.identifiers import MAX_ID_CHARACTERS

_ID: dict[str, Any] = {"type": ["string", "number", "boolean", "null"], "maxLength": MAX_ID_CHARACTERS}
_GIVEN_ID: dict[str, Any] = {"type": ["string", "number", "boolean"], "minLength": 1, "maxLength": MAX_ID_CHARACTERS}
_TEXT: dict[str, Any] = {"type": ["string", "null"]}
# PHP writes an empty object as an empty array.
_OBJECT: dict[str, Any] = {"type": ["object", "array", "null"], "maxItems": 0}
_SOMEBODY: list[dict[str, Any]] = [
    {"required": [field], "properties": {field: _GIVEN_ID}} for field in ("userId", "anonymousId")
]


def call_schema(kind: str) -> dict[str, Any]:
    """Return the schema of a call of this type, or of a batch without its calls."""
    if kind == "batch":
        calls = {"type": "array", "description": f"calls, each with its `type`; at most {MAX_ITEMS:,}"}
        shared = {
            name: {"description": "an object, merged into each call, where the call's own wins"}
            for name in ("context", "integrations")
        }
        return {"type": "object", "required": ["batch"], "properties": {"batch": calls, "sentAt": {}, **shared}}
    properties: dict[str, Any] = {
        "messageId": _ID,
        "userId": _ID,
        "anonymousId": _ID,
        "timestamp": {
            "type": ["string", "number", "null"],
            "description": "ISO 8601, or seconds or milliseconds since 1970; `sentAt` corrects the client's clock",
        },
        "sentAt": {"description": "as `timestamp`"},
        "context": {**_OBJECT, "description": "`backfill: true` marks history, which starts nothing"},
        "integrations": {"description": "an object; `Sojourn: false` marks history, which starts nothing"},
    }
    match kind:
        case "track":
            event = {"type": "string", "minLength": 1, "maxLength": MAX_ID_CHARACTERS}
            return _call({**properties, "event": event, "properties": _OBJECT}, "event")
        case "page" | "screen":
            name = {**_TEXT, "maxLength": MAX_ID_CHARACTERS}
            return _call({**properties, "name": name, "category": _TEXT, "properties": _OBJECT})
        case "identify":
            traits = {
                "email": {"description": "a string"},
                "timezone": {"description": "an IANA name, such as Europe/Berlin"},
                "consent": {"description": "an object of channel and true or false"},
            }
            return _call({**properties, "traits": {**_OBJECT, "properties": traits}})
        case "group":
            return _call({**properties, "groupId": _GIVEN_ID, "traits": _OBJECT}, "groupId")
        case _:
            return {
                "type": "object",
                "required": ["previousId", "userId"],
                "properties": {**properties, "previousId": _GIVEN_ID, "userId": _GIVEN_ID},
            }


def _call(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties, "anyOf": _SOMEBODY}
