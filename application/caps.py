"""The frequency caps of the deployment: one document, effective at once."""

from dataclasses import dataclass
from typing import Any

from application.documents import Documents
from domain.access import Actor
from domain.revisions import UNCONDITIONAL, Precondition
from domain.sending.caps_document import to_document
from store import audit, caps
from store.database import Database


@dataclass(frozen=True, slots=True)
class CapsView:
    """The document in force, and its rules; version 0 is the initial one."""

    version: int
    source: str
    rules: list[dict[str, Any]]


class FrequencyCaps:
    """Reads and replaces the document."""

    def __init__(self, database: Database, documents: Documents) -> None:
        self._database = database
        self._documents = documents

    async def get(self) -> CapsView:
        """Return the rules in force."""
        async with self._database.transaction() as connection:
            return _view(await caps.latest(connection))

    async def put(self, source: str, file: str, *, if_match: Precondition = UNCONDITIONAL, by: Actor) -> CapsView:
        """Replace the rules for every message from now on, or refuse the document."""
        rules = await self._documents.caps(source, file)
        async with self._database.transaction() as connection:
            await caps.lock_caps_exclusive(connection)
            if_match.require((await caps.latest(connection)).version)
            await caps.put(connection, source, rules, by.name)
            stored = await caps.latest(connection)
            await audit.record(connection, by, "frequency_caps.put", "frequency-caps", {"version": stored.version})
            return _view(stored)


def _view(stored: caps.Caps) -> CapsView:
    return CapsView(stored.version, stored.source, [to_document(rule) for rule in stored.rules])
