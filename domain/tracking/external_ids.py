"""Ids of a person in other systems, as a call's context has them.

An invalid one is left out; the others and the call are kept. Source: Segment's spec, identify, `context.externalIds`.
"""

import re
from itertools import islice
from typing import Any, Final

from domain.tracking.identifiers import Placeholders, read_identifier
from domain.tracking.item_error import ItemError, quote_value
from domain.tracking.traits import LeftOut

EXTERNAL_IDS: Final = "externalIds"
# For each call.
MAX_CALL_EXTERNAL_IDS: Final = 20

_TYPE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
# They have fields of their own.
_OTHER_FIELDS: Final = {
    "user": "userId",
    "user_id": "userId",
    "anonymous": "anonymousId",
    "anonymous_id": "anonymousId",
}


def read_external_ids(
    context: dict[str, Any], placeholders: Placeholders
) -> tuple[tuple[tuple[str, str], ...], list[LeftOut]]:
    """Return the external ids of a call as pairs of type and id, and those left out."""
    listed = context.get(EXTERNAL_IDS)
    if listed is None:
        return (), []
    if not isinstance(listed, list):
        error = f"context.externalIds must be a list; it is {quote_value(listed)}"
        return (), [LeftOut("context.externalIds", error, listed)]
    found: dict[tuple[str, str], None] = {}
    left_out: list[LeftOut] = []
    if len(listed) > MAX_CALL_EXTERNAL_IDS:
        error = (
            f"context.externalIds may have {MAX_CALL_EXTERNAL_IDS} ids, and has {len(listed):,}: those after the first "
            f"{MAX_CALL_EXTERNAL_IDS} are left out"
        )
        left_out.append(LeftOut("context.externalIds", error, None))
    for place, one in enumerate(islice(listed, MAX_CALL_EXTERNAL_IDS)):
        path = f"context.externalIds[{place}]"
        try:
            found[_read(path, one, placeholders)] = None
        except ItemError as error:
            left_out.append(LeftOut(path, str(error), one))
    return tuple(found), left_out


def _read(path: str, one: Any, placeholders: Placeholders) -> tuple[str, str]:
    if not isinstance(one, dict):
        raise ItemError(f"{path} must be an object with `id` and `type`; it is {quote_value(one)}")
    type, id = one.get("type"), one.get("id")
    if isinstance(type, str) and type in _OTHER_FIELDS:
        raise ItemError(f"{path}.type must not be `{type}`: send the id as {_OTHER_FIELDS[type]}")
    if not (isinstance(type, str) and _TYPE.fullmatch(type)):
        raise ItemError(
            f"{path}.type must be a name such as `crm_id`: a letter, then letters, digits, `_`, `.` and `-`, 64 "
            f"characters at most; it is {quote_value(type)}"
        )
    if not isinstance(id, str | int | float | bool | None):
        raise ItemError(f"{path}.id must be a string or a whole number; it is {quote_value(id)}")
    if one.get("collection") not in (None, "users"):
        raise ItemError(f"{path}.collection must be `users`; it is {quote_value(one['collection'])}")
    if one.get("encoding") not in (None, "none"):
        raise ItemError(f"{path}.encoding must be `none`; it is {quote_value(one['encoding'])}")
    text = read_identifier(f"{path}.id", id, placeholders)
    if text is None:
        raise ItemError(
            f"{path}.id must be an id of one person; {quote_value(id)} stands for no id: leave the entry out"
        )
    return type, text
