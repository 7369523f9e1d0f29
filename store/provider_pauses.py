"""Pauses of providers' marketing: one open pause a provider at most."""

from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct, convert
from uuid_utils.compat import uuid7

from domain.sending.deliverability import PauseCause, ProviderPause, RateExcess
from store.database import Connection

# The open pauses, for the gate and the claim: an expression.
PAUSES: Final = """
COALESCE((SELECT jsonb_agg(jsonb_build_object(
   'id', id, 'provider', provider, 'cause', cause, 'number', number, 'messages', messages, 'limit', "limit",
   'paused_at', paused_at))
 FROM provider_pauses WHERE resumed_at IS NULL), '[]')
"""


class PauseRow(Struct, frozen=True):
    """A pause, and its end."""

    id: UUID
    provider: str
    cause: PauseCause
    number: int
    messages: int
    limit: float
    paused_at: datetime
    resumed_at: datetime | None
    resumed_by: str | None


_COLUMNS = 'id, provider, cause, number, messages, "limit", paused_at, resumed_at, resumed_by'


async def open_pauses(connection: Connection) -> list[ProviderPause]:
    """Return the open pauses."""
    cursor = await connection.execute(f"SELECT {PAUSES} AS pauses")
    [row] = await cursor.fetchall()
    return convert(row["pauses"], list[ProviderPause])


async def latest(connection: Connection) -> list[PauseRow]:
    """Return the latest pause of each provider that had one."""
    cursor = await connection.execute(
        f"SELECT DISTINCT ON (provider) {_COLUMNS} FROM provider_pauses ORDER BY provider, paused_at DESC"  # noqa: S608
    )
    return [PauseRow(**row) async for row in cursor]


async def place(connection: Connection, provider: str, excess: RateExcess) -> PauseRow | None:
    """Pause a provider's marketing; None if it is paused already."""
    cursor = await connection.execute(
        f"""
        INSERT INTO provider_pauses (id, provider, cause, number, messages, "limit", paused_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s)
        ON CONFLICT (provider) WHERE resumed_at IS NULL DO NOTHING RETURNING {_COLUMNS}
        """,  # noqa: S608 -- a constant of this module
        (uuid7(), provider, excess.cause, excess.number, excess.messages, excess.limit, connection.clock.now()),
    )
    row = await cursor.fetchone()
    return None if row is None else PauseRow(**row)


async def end(connection: Connection, provider: str, by: str) -> PauseRow | None:
    """End the open pause of a provider; None if it has none."""
    cursor = await connection.execute(
        f"""
        UPDATE provider_pauses SET resumed_at = greatest(%s, paused_at), resumed_by = %s
        WHERE provider = %s AND resumed_at IS NULL RETURNING {_COLUMNS}
        """,  # noqa: S608 -- a constant of this module
        (connection.clock.now(), by, provider),
    )
    row = await cursor.fetchone()
    return None if row is None else PauseRow(**row)
