"""The circuits of providers, shared by all workers: a row for each with failures."""

from typing import Any, Final

from msgspec import Struct

from domain.sending.circuit import PROBE_SECONDS, CircuitState, ProviderHealth, count_failure
from store.database import Connection

# The providers that the gate passes over, and since when: an expression. One that is due for a probe is not among them.
BROKEN: Final = """
COALESCE((SELECT jsonb_object_agg(provider, opened_at) FROM provider_circuits
          WHERE probe_at > clock_timestamp()), '{}')
"""
# The circuit of a message's provider, as `CircuitView` has it: an expression for statements that read `messages`.
CIRCUIT: Final = """
(SELECT jsonb_build_object('is_open', opened_at IS NOT NULL,
   'seconds', COALESCE(greatest(0, extract(epoch FROM probe_at - clock_timestamp()))::float8, 0))
 FROM provider_circuits WHERE provider_circuits.provider = messages.provider)
"""


class CircuitRow(Struct, frozen=True):
    """A provider that has failed, with the last reason."""

    provider: str
    failures: int
    opened_at: Any
    probe_at: Any
    reason: str
    detail: str


async def record_failure(
    connection: Connection, provider: str, health: ProviderHealth, reason: str, detail: str
) -> bool:
    """Count a failure; return whether it has opened the circuit."""
    await connection.execute(
        "INSERT INTO provider_circuits (provider, reason, detail) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        (provider, reason, detail),
    )
    cursor = await connection.execute(
        """
        SELECT failures, opened_at, probe_at, clock_timestamp() AS now
        FROM provider_circuits WHERE provider = %s FOR UPDATE
        """,
        (provider,),
    )
    if (row := await cursor.fetchone()) is None:
        # A message has just been accepted.
        return False
    now = row.pop("now")
    before = CircuitState(**row)
    after = count_failure(before, health, now)
    await connection.execute(
        """
        UPDATE provider_circuits SET failures = %s, opened_at = %s, probe_at = %s, reason = %s, detail = %s
        WHERE provider = %s
        """,
        (after.failures, after.opened_at, after.probe_at, reason, detail, provider),
    )
    return before.opened_at is None and after.opened_at is not None


async def record_answer(connection: Connection, provider: str, *, was_probe: bool) -> bool:
    """Forget the failures before an answer; return whether that closed the circuit.

    An answer to a message that was handed over before the circuit opened does not close it.
    """
    cursor = await connection.execute(
        "DELETE FROM provider_circuits WHERE provider = %s AND (opened_at IS NULL OR %s) RETURNING opened_at",
        (provider, was_probe),
    )
    row = await cursor.fetchone()
    return row is not None and row["opened_at"] is not None


async def take_probe(connection: Connection, provider: str) -> bool:
    """Take the probe of an open circuit if one is due; one message gets it.

    No other waits for the row: a message to several devices may probe several providers, in any order.
    """
    cursor = await connection.execute(
        """
        UPDATE provider_circuits SET probe_at = clock_timestamp() + make_interval(secs => %s)
        WHERE provider = (
          SELECT provider FROM provider_circuits WHERE provider = %s AND probe_at <= clock_timestamp()
          FOR UPDATE SKIP LOCKED
        ) RETURNING provider
        """,
        (PROBE_SECONDS, provider),
    )
    return await cursor.fetchone() is not None


async def load(connection: Connection) -> list[CircuitRow]:
    """Return the providers that have failed."""
    cursor = await connection.execute(
        "SELECT provider, failures, opened_at, probe_at, reason, detail FROM provider_circuits ORDER BY provider"
    )
    return [CircuitRow(**row) async for row in cursor]


async def close_all(connection: Connection) -> None:
    """Close the circuits: the providers have other settings now."""
    await connection.execute("DELETE FROM provider_circuits")


async def find_broken(connection: Connection) -> list[str]:
    """Return the providers that the gate passes over."""
    cursor = await connection.execute(f"SELECT {BROKEN} AS broken")
    [row] = await cursor.fetchall()
    return list(row["broken"])
