"""The stored rows of a person, table by table."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from store.database import Connection
from store.personal_data import PERSONAL_TABLES

PAGE = 500


async def begin(connection: Connection) -> None:
    """Let all further statements of the transaction see one snapshot."""
    await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


async def rows(connection: Connection, profile_id: UUID) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Iterate over a person's rows of all tables, with the exported columns."""
    cursor = await connection.execute(
        """
        SELECT COALESCE((SELECT array_agg(value) FROM identities WHERE profile_id = %(id)s), '{}') AS values,
               COALESCE((SELECT jsonb_object_agg(own.key, own.value) FROM profiles, jsonb_each_text(addresses) AS own
                         WHERE id = %(id)s), '{}') AS addresses
        """,
        {"id": profile_id},
    )
    named = await cursor.fetchone()
    if named is None:
        return
    parameters = {
        "profile_id": profile_id,
        "values": named["values"],
        "texts": [],
        "channels": list(named["addresses"]),
        "addresses": list(named["addresses"].values()),
    }
    for table in reversed(PERSONAL_TABLES):
        if not table.exported:
            continue
        columns = ", ".join(table.exported)
        async with connection.cursor("export") as found:
            found.itersize = PAGE
            await found.execute(f"SELECT {columns} FROM {table.name} WHERE {table.where}", parameters)  # noqa: S608 -- names of the schema
            async for row in found:
                yield table.name, row
