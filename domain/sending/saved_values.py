"""Values of a receiver's reply that a journey keeps, and their bounds.

A template says `save: {ticket: reply.json.ticket.id}`; conditions and templates read `journey.saved.ticket`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

MAX_VALUE_BYTES: Final = 4 * 1024
MAX_JOURNEY_BYTES: Final = 16 * 1024
MAX_DEPTH: Final = 16
# PostgreSQL writes out all digits of a number: 1e300 has 301.
MAX_EXPONENT: Final = 20

SAVED_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_PATH: Final = re.compile(r"""reply\.json(?:\.[A-Za-z_][\w-]*|\[\d{1,5}\]|\["[^"\\]*"\]|\['[^'\\]*'\])*""")
_STEP: Final = re.compile(r"""\.([A-Za-z_][\w-]*)|\[(\d+)\]|\["([^"]*)"\]|\['([^']*)'\]""")
# PostgreSQL keeps neither in a text of JSON.
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class SavedReply:
    """The values of one reply by name; None for a missing one, and why it is missing."""

    values: Mapping[str, Any] = field(default_factory=dict)
    detail: str | None = None


def is_reply_path(path: str) -> bool:
    """Return whether a text is a path into a JSON reply: `reply.json.items[0].id`."""
    return _PATH.fullmatch(path) is not None


def read_saved(paths: Mapping[str, str], reply: bytes | None) -> SavedReply:
    """Read the values at these paths of a reply; None is an unreadable reply."""
    if not paths:
        return SavedReply()
    data, problem = _parse(reply)
    if problem is not None:
        return SavedReply(dict.fromkeys(paths), f"nothing saved: {problem}")
    values: dict[str, Any] = {}
    problems: list[str] = []
    for name, path in paths.items():
        value = _at(data, path)
        problem = f"nothing at {path}" if value is None else _find_fault(value)
        values[name] = value if problem is None else None
        problems += [] if problem is None else [f"{name} ({problem})"]
    return SavedReply(values, f"not saved: {', '.join(problems)}" if problems else None)


def merge_saved(before: Mapping[str, Any], reply: SavedReply) -> tuple[dict[str, Any], str | None]:
    """Return the values that a journey keeps after a reply, and a text about it.

    The text names the values that are saved, and those that are not with the reason.

    A name has the value of the last reply that was to give it, and none if that reply had none.
    """
    kept = {name: value for name, value in before.items() if name not in reply.values}
    saved: list[str] = []
    left_out: list[str] = []
    for name, value in reply.values.items():
        if value is None:
            continue
        if _size({**kept, name: value}) <= MAX_JOURNEY_BYTES:
            kept[name] = value
            saved.append(name)
        else:
            left_out.append(name)
    done = f"saved {', '.join(saved)}" if saved else None
    said = f"not saved: {', '.join(left_out)} (the journey keeps {MAX_JOURNEY_BYTES // 1024} KiB)" if left_out else None
    return kept, "; ".join(filter(None, (done, reply.detail, said))) or None


def _parse(reply: bytes | None) -> tuple[Any, str | None]:
    if reply is None:
        return None, "the reply broke off, is compressed, or is larger than 64 KiB"
    try:
        return msgspec.json.decode(reply), None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None, "the reply is not JSON" if reply.strip() else "the reply is empty"


def _at(data: Any, path: str) -> Any:
    for found in _STEP.finditer(path.removeprefix("reply.json")):
        name, index, *quoted = found.groups()
        if index is not None:
            data = data[int(index)] if isinstance(data, list) and int(index) < len(data) else None
        else:
            key = next(text for text in (name, *quoted) if text is not None)
            data = data.get(key) if isinstance(data, dict) else None
    return data


def _find_fault(value: Any) -> str | None:
    if not _is_storable(value, MAX_DEPTH):
        return "it cannot be kept as JSON"
    return f"larger than {MAX_VALUE_BYTES // 1024} KiB" if _size(value) > MAX_VALUE_BYTES else None


def _is_storable(value: Any, depth: int) -> bool:
    match value:
        case str():
            return _UNSTORABLE.search(value) is None
        case float():
            return value == 0 or 10.0**-MAX_EXPONENT < abs(value) < 10.0**MAX_EXPONENT
        case int():
            return abs(value) < 10**MAX_EXPONENT
        case dict():
            return depth > 0 and all(_is_storable(each, depth - 1) for pair in value.items() for each in pair)
        case list():
            return depth > 0 and all(_is_storable(item, depth - 1) for item in value)
    return True


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
