"""Copies of a person's ids in rows that are not theirs: replaced, not deleted."""

from collections.abc import Mapping
from typing import Any

from store.database import Connection
from store.personal_data import NAMED_EVENT, NAMED_PROPERTY, PERSONAL_TABLES

_CONDITIONS = {table.name: table.where for table in PERSONAL_TABLES if table.fate == "rewrite"}


async def rewrite_audit_log(connection: Connection, parameters: Mapping[str, Any], person: str) -> int:
    """Let the audit log keep the actions, with the hash `person` in place of each id."""
    cursor = await connection.execute(
        f"""
        UPDATE audit_log SET target = CASE WHEN target = ANY(%(values)s) THEN %(person)s ELSE target END, data = '{{}}'
        WHERE {_CONDITIONS["audit_log"]}
        """,  # noqa: S608 -- a condition of the store
        {**parameters, "person": person},
    )
    return cursor.rowcount


async def rewrite_operations(connection: Connection, parameters: Mapping[str, Any]) -> int:
    """Take the parameters of finished operations away that name the person."""
    cursor = await connection.execute(
        f"UPDATE operations SET parameters = '{{}}' WHERE {_CONDITIONS['operations']}",  # noqa: S608
        parameters,
    )
    return cursor.rowcount


async def rewrite_reconciliations(connection: Connection, parameters: Mapping[str, Any]) -> int:
    """Take the examples away of reports that name the person's workflows."""
    cursor = await connection.execute(
        f"""
        UPDATE reconciliations
        SET report = jsonb_set(report, '{{findings}}', COALESCE((
          SELECT jsonb_object_agg(key, value - 'examples' || '{{"examples": []}}')
          FROM jsonb_each(report -> 'findings')), '{{}}'))
        WHERE {_CONDITIONS["reconciliations"]}
        """,  # noqa: S608
        parameters,
    )
    return cursor.rowcount


async def forget_names(connection: Connection, parameters: Mapping[str, Any]) -> None:
    """Take names of events and properties away that are the person's ids.

    The caller has locked the consumer that counts them.
    """
    await connection.execute(f"DELETE FROM seen_events WHERE {NAMED_EVENT}", parameters)  # noqa: S608
    await connection.execute(
        f"""
        UPDATE seen_events SET properties = COALESCE((
          SELECT jsonb_object_agg(path, seen) FROM jsonb_each(properties) AS property (path, seen)
          WHERE NOT {NAMED_PROPERTY}), '{{}}')
        WHERE {_CONDITIONS["seen_events"]}
        """,  # noqa: S608
        parameters,
    )
