"""The frequency caps of the deployment: one document with all of its versions."""

from datetime import datetime

from msgspec import Struct, convert
from psycopg.types.json import Jsonb

from domain.sending.caps import CapRule
from store.campaigns import REGISTRY_LOCK
from store.database import Connection


class Caps(Struct, frozen=True):
    """A version of the document. Version 0 is the initial one, without rules."""

    version: int
    source: str
    rules: list[CapRule]
    created_at: datetime | None


async def latest(connection: Connection) -> Caps:
    """Return the rules in force."""
    cursor = await connection.execute(
        "SELECT version, source, rules, created_at FROM frequency_caps ORDER BY version DESC LIMIT 1"
    )
    row = await cursor.fetchone()
    return convert(row, Caps) if row else Caps(0, "rules: []\n", [], None)


async def lock_caps_exclusive(connection: Connection) -> None:
    """Wait for decisions under the current rules, and delay new ones."""
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", (REGISTRY_LOCK,))


async def put(connection: Connection, source: str, rules: list[CapRule], created_by: str) -> None:
    """Put rules in force, unless they are the same document. Requires the lock."""
    await connection.execute(
        """
        INSERT INTO frequency_caps (version, source, rules, created_by)
        SELECT COALESCE(max(version), 0) + 1, %(source)s, %(rules)s, %(created_by)s FROM frequency_caps
        HAVING %(source)s IS DISTINCT FROM (SELECT source FROM frequency_caps ORDER BY version DESC LIMIT 1)
        """,
        {"source": source, "rules": Jsonb(rules), "created_by": created_by},
    )
