"""The context and integrations of a batch, which are merged into each call.

Source: Segment's HTTP API, "Batch". analytics-go 3.0.0 puts all of its context there (message.go, `batch`).
"""

from typing import Any

from msgspec import Struct


class Shared(Struct, frozen=True):
    """The context and the integrations of a batch."""

    context: dict[str, Any]
    integrations: dict[str, Any]


NOTHING_SHARED = Shared({}, {})


def merge_shared(outer: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Merge two objects in depth; `own` wins."""
    if not outer or not own:
        return own or outer
    both = {**outer, **own}
    for name in outer.keys() & own.keys():
        if isinstance(outer[name], dict) and isinstance(own[name], dict):
            both[name] = merge_shared(outer[name], own[name])
    return both
