"""Effects of the document of providers, and the state of each."""

from collections.abc import Mapping, Sequence
from typing import Any

from domain.access import Actor
from store import circuits
from store.database import Connection


async def apply_providers(connection: Connection, rules: Sequence[Any], by: Actor) -> None:
    """Close all circuits: a provider may have another key now."""
    await circuits.close_all(connection)


async def describe_providers(connection: Connection) -> Mapping[str, Mapping[str, Any]]:
    """Return the circuits of providers that have failed, by their names."""
    return {
        row.provider: {
            "circuit": {
                "state": "closed" if row.opened_at is None else "open",
                "failures": row.failures,
                "opened_at": row.opened_at,
                "probe_at": row.probe_at,
                "reason": row.reason,
                "detail": row.detail,
            }
        }
        for row in await circuits.load(connection)
    }
