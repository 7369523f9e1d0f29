"""Calls as clients send them, decoded."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any, Literal
from uuid import UUID

from domain.tracking.decode import Decoded, decode
from domain.tracking.event import CallType, Event, Reject
from domain.tracking.identifiers import Placeholders

RECEIVED = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


def ids() -> Callable[[], UUID]:
    numbers = count(1)
    return lambda: UUID(int=next(numbers))


def decoded(body: bytes, kind: CallType | Literal["batch"] = "batch") -> Decoded:
    return decode(body, kind=kind, source="shop", received_at=RECEIVED, new_id=ids())


def of_items(*items: Any, **envelope: Any) -> Decoded:
    return decoded(json.dumps({"batch": items, **envelope}).encode())


def decoded_with(placeholders: Placeholders, *items: Any) -> Decoded:
    """As a deployment reads them that has its own list of texts that are no ids."""
    body = json.dumps({"batch": items}).encode()
    return decode(body, kind="batch", source="shop", received_at=RECEIVED, new_id=ids(), placeholders=placeholders)


def of_texts(*items: bytes) -> Decoded:
    return decoded(b'{"batch": [' + b",".join(items) + b"]}")


def event(**fields: Any) -> Event:
    """The event of a track with these fields."""
    result = of_items({"type": "track", "userId": "u", "event": "E", **fields})
    assert result.rejects == []
    return result.events[0]


def error(**fields: Any) -> str:
    """Why a track with these fields is refused."""
    return reject({"type": "track", "userId": "u", "event": "E", **fields}).error


def reject(item: Any) -> Reject:
    result = of_items(item)
    assert result.events == []
    return result.rejects[0]
