"""Effects of the document of providers, and the state of each."""

from collections.abc import Mapping, Sequence
from typing import Any

from application.ad_audiences import require_accounts
from domain.access import Actor
from domain.sending.routes import DeployedProviders
from store import circuits, operations, provider_pauses
from store.database import Connection


async def apply_providers(connection: Connection, rules: Sequence[Any], by: Actor) -> None:
    """Close all circuits: a provider may have another key now.

    Messages that a pause holds may have another provider, so they ask the gate again. The pauses stay. Raises
    ConflictError if an audience is at an account that is gone.
    """
    await require_accounts(connection, DeployedProviders(rules).ad_accounts)
    await circuits.close_all(connection)
    for pause in await provider_pauses.open_pauses(connection):
        await operations.insert_for_deployment(connection, "release", {"pause": str(pause.id)}, requested_by=by.name)


async def describe_providers(connection: Connection) -> Mapping[str, Mapping[str, Any]]:
    """Return failures and open pauses of providers, by their names."""
    added: dict[str, dict[str, Any]] = {
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
    for pause in await provider_pauses.open_pauses(connection):
        known = {"cause": pause.cause, "number": pause.number, "messages": pause.messages, "limit": pause.limit}
        added.setdefault(pause.provider, {})["pause"] = {"paused_at": pause.paused_at, **known}
    return added
