"""Export all that there is of a person, from one snapshot."""

from tempfile import SpooledTemporaryFile

import msgspec

from application.people import unknown_person
from domain.access import Actor
from domain.people.identity import PersonRef
from store import audit, exports, profiles
from store.database import Database

# An export beyond this is written to a temporary file: no connection waits for the reader.
MAX_IN_MEMORY = 1_000_000


class Exports:
    """Exports people."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def export(self, person: PersonRef, *, by: Actor) -> SpooledTemporaryFile[bytes]:
        """Return a file of lines of JSON, which the caller closes. Raises NotFoundError."""
        file: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(MAX_IN_MEMORY)  # noqa: SIM115 - the caller's
        try:
            async with self._database.transaction() as connection:
                await exports.begin(connection)
                profile_id = await profiles.find(connection, person)
                if profile_id is None:
                    raise unknown_person(person)
                async for table, row in exports.rows(connection, profile_id):
                    file.write(msgspec.json.encode({"table": table, "row": row}) + b"\n")
                await audit.record(connection, by, "user.export", person.id)
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file
