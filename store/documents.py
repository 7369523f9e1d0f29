"""The documents of the deployment, each with all of its versions."""

from collections.abc import Mapping, Sequence
from typing import Any, Generic

from msgspec import Struct, convert
from psycopg.types.json import Jsonb

from domain.deployment_documents import DocumentKind, Rule
from store.campaigns import REGISTRY_LOCK, lock_registry_exclusive
from store.database import Connection


class StoredDocument(Struct, Generic[Rule], frozen=True):
    """A version of a document. Version 0 is the initial one, without rules."""

    version: int
    source: str
    rules: list[Rule]


async def latest(connection: Connection, kind: DocumentKind[Rule]) -> StoredDocument[Rule]:
    """Return the document in force."""
    cursor = await connection.execute(
        "SELECT version, source, rules FROM documents WHERE kind = %s ORDER BY version DESC LIMIT 1", (kind.name,)
    )
    row = await cursor.fetchone()
    if row is None:
        return StoredDocument(0, kind.initial, [])
    return StoredDocument(row["version"], row["source"], [convert(rule, kind.rule) for rule in row["rules"]])


class RulesInForce:
    """The rules in force of several kinds of documents."""

    def __init__(self, rules: Mapping[str, Sequence[Any]]) -> None:
        self._rules = rules

    def get(self, kind: DocumentKind[Rule]) -> list[Rule]:
        """Return those of one kind."""
        return [convert(rule, kind.rule) for rule in self._rules.get(kind.name, ())]


async def read_rules(connection: Connection, kinds: Sequence[DocumentKind[Any]]) -> RulesInForce:
    """Read the rules in force of these kinds, in one statement."""
    cursor = await connection.execute(
        """
        SELECT kind, latest.rules FROM unnest(%s::text[]) AS kind
        CROSS JOIN LATERAL
          (SELECT rules FROM documents WHERE documents.kind = kind.kind ORDER BY version DESC LIMIT 1) AS latest
        """,
        ([kind.name for kind in kinds],),
    )
    return RulesInForce({row["kind"]: row["rules"] async for row in cursor})


async def before_latest(connection: Connection, kind: DocumentKind[Rule]) -> list[Rule]:
    """Return the rules that were in force before the present ones."""
    cursor = await connection.execute(
        "SELECT rules FROM documents WHERE kind = %s ORDER BY version DESC OFFSET 1 LIMIT 1", (kind.name,)
    )
    row = await cursor.fetchone()
    return [] if row is None else [convert(rule, kind.rule) for rule in row["rules"]]


async def last_rule(connection: Connection, kind: DocumentKind[Rule], name: str) -> Rule | None:
    """Return a rule as the latest version that has it does; None if none has."""
    cursor = await connection.execute(
        """
        SELECT rule FROM documents CROSS JOIN jsonb_array_elements(rules) AS rule
        WHERE kind = %s AND rule ->> 'name' = %s ORDER BY version DESC LIMIT 1
        """,
        (kind.name, name),
    )
    row = await cursor.fetchone()
    return None if row is None else convert(row["rule"], kind.rule)


async def latest_version(connection: Connection, kind: DocumentKind[Any]) -> int:
    """Return the version in force; 0 is the initial one."""
    cursor = await connection.execute("SELECT max(version) AS version FROM documents WHERE kind = %s", (kind.name,))
    row = await cursor.fetchone()
    return (row["version"] or 0) if row else 0


async def lock_exclusive(connection: Connection, kind: DocumentKind[Any]) -> None:
    """Wait for decisions under the current rules, and delay new ones."""
    if kind.routes:
        await lock_registry_exclusive(connection)
    else:
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (REGISTRY_LOCK,))


async def put(
    connection: Connection, kind: DocumentKind[Rule], source: str, rules: Sequence[Rule], created_by: str
) -> None:
    """Put rules in force, unless they are the same document. Requires the lock."""
    await connection.execute(
        """
        INSERT INTO documents (kind, version, source, rules, created_by)
        SELECT %(kind)s, COALESCE(max(version), 0) + 1, %(source)s, %(rules)s, %(created_by)s
        FROM documents WHERE kind = %(kind)s
        HAVING %(source)s IS DISTINCT FROM
          (SELECT source FROM documents WHERE kind = %(kind)s ORDER BY version DESC LIMIT 1)
        """,
        {"kind": kind.name, "source": source, "rules": Jsonb(list(rules)), "created_by": created_by},
    )
