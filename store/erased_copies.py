"""Copies of a person's ids in rows that are not theirs: replaced, not deleted."""

from collections.abc import Mapping
from typing import Any

from store.database import Connection
from store.personal_data import NAMED_EVENT, NAMED_PROPERTY, NAMES_PERSON, PERSONAL_TABLES

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


async def rewrite_backtests(connection: Connection, parameters: Mapping[str, Any]) -> int:
    """Take the words of faults away that name the person."""
    cursor = await connection.execute(
        f"""
        UPDATE backtests
        SET report = jsonb_set(report, '{{faults}}', COALESCE((
          SELECT jsonb_agg(
            CASE WHEN {NAMES_PERSON.format("fault::text")} THEN fault || '{{"said": ""}}' ELSE fault END ORDER BY place)
          FROM jsonb_array_elements(report -> 'faults') WITH ORDINALITY AS faults (fault, place)), '[]'))
        WHERE {_CONDITIONS["backtests"]}
        """,  # noqa: S608
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


async def forget_claims(connection: Connection, parameters: Mapping[str, Any]) -> int:
    """Take away what browsers claimed of the person; return from how many others.

    All claims of such a profile go: what was claimed with the person's id is about the person.
    """
    cursor = await connection.execute(
        """
        SELECT id FROM profiles WHERE id IN (
          SELECT profile_id FROM profile_changes
          WHERE part = 'claims' AND changed_values(changes) && ARRAY(
            SELECT lower(value) FROM unnest(%(values)s::text[] || %(addresses)s::text[]) AS value))
        ORDER BY id FOR UPDATE
        """,
        parameters,
    )
    ids = [row["id"] async for row in cursor]
    if not ids:
        return 0
    await connection.execute("DELETE FROM profile_changes WHERE part = 'claims' AND profile_id = ANY(%s)", (ids,))
    await connection.execute(
        """UPDATE profiles SET claims = '{}', said = said || '{"claims": []}' WHERE id = ANY(%s)""", (ids,)
    )
    # The undo of a merge restores these.
    for part in ("source", "target"):
        await connection.execute(
            """
            UPDATE profile_merges
            SET snapshot = jsonb_set(jsonb_set(snapshot, ARRAY[%(part)s, 'claims'], '{}'),
                                     ARRAY[%(part)s, 'said', 'claims'], '[]')
            WHERE profile_id = ANY(%(ids)s) AND snapshot IS NOT NULL
            """,
            {"part": part, "ids": ids},
        )
    return len(ids)
