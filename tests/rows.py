"""The rows that tests ask for most: those of journeys, messages and decisions."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from psycopg.sql import SQL, Identifier

Row = dict[str, Any]
Find = Callable[..., Awaitable[list[Row]]]


@dataclass(frozen=True)
class Rows:
    """Rows of a table with the ids of their users, oldest first; `values` are those that columns must have."""

    table: Literal["journeys", "messages", "decisions"]
    query: Find
    wait: Find

    async def all(self, **values: Any) -> list[Row]:
        return await self.query(self._select(values), *values.values())

    async def one(self, **values: Any) -> Row:
        """Return the only one that there is."""
        [row] = await self.all(**values)
        return row

    async def until(self, count: int | None = None, /, **values: Any) -> list[Row]:
        """Wait until there are so many, or any; return them."""
        found = self._select(values)
        if count is None:
            return await self.wait(found, *values.values())
        counted = SQL("WITH found AS ({}) SELECT * FROM found WHERE (SELECT count(*) FROM found) = %s")
        return await self.wait(counted.format(SQL(found)).as_string(), *values.values(), count)

    def _select(self, values: dict[str, Any]) -> str:
        columns = [Identifier(*((name,) if name == "user_id" else (self.table, name))) for name in values]
        order = {"journeys": "id", "messages": "reserved_at", "decisions": "recorded_at"}[self.table]
        query = SQL(
            "SELECT {table}.*, user_id FROM {table} LEFT JOIN profiles ON profiles.id = profile_id"
            " WHERE {conditions} ORDER BY {table}.{order}, {table}.id"
        )
        return query.format(
            table=Identifier(self.table),
            conditions=SQL(" AND ").join([SQL("true"), *(SQL("{} = %s").format(column) for column in columns)]),
            order=Identifier(order),
        ).as_string()
