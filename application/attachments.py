"""Files that mails attach: stored, required by versions, and loaded for mails."""

from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from domain.errors import InvalidDocumentError, NotFoundError, Problem
from domain.sending.attachment import Attachment, StoredFile
from domain.templates.attachments import stored_files
from store import attachments, campaigns
from store.attachments import StoredAttachment
from store.campaigns import Version
from store.database import Connection, Database

# Files are kept in memory with their forms in Base64, which make them 3.7 times as large.
MAX_CACHED_BYTES: Final = 16 * 1024 * 1024
ATTACHMENTS: Final = "attachments"


class Attachments:
    """Stores files before the campaigns are published that attach them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def store(self, data: bytes) -> StoredAttachment:
        """Store a file by its hash."""
        async with self._database.transaction() as connection:
            return await attachments.put(connection, sha256(data).hexdigest(), data)

    async def find(self, hash: str) -> StoredAttachment:
        """Return a stored file. Raises NotFoundError."""
        async with self._database.transaction() as connection:
            found = await attachments.find(connection, hash)
        if found is None:
            raise NotFoundError(f"no file is stored by the hash {hash}", sha256=hash)
        return found


async def insert_with_files(connection: Connection, version: Version) -> None:
    """Insert a version and note its files.

    Raises InvalidDocumentError if one is not stored.
    """
    named = stored_files(version.templates)
    sizes = await attachments.renew(connection, {hash for _, hash, _ in named}) if named else {}
    if problems := [_not_stored(name) for name, hash, size in named if sizes.get(hash) != size]:
        raise InvalidDocumentError(problems)
    await campaigns.insert_version(connection, version)
    if sizes:
        await attachments.assign(connection, version.campaign_key, version.version, sizes)


class AttachmentFiles:
    """The files of mails, with the last ones in memory."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cached: OrderedDict[StoredFile, Attachment] = OrderedDict()
        self._size = 0

    async def attach(self, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a mail's content with its files loaded.

        Raises InvalidDocumentError if one is not stored, as a draft's may be.
        """
        files = content.get(ATTACHMENTS)
        if not files:
            return content
        stored = [file for file in files if isinstance(file, StoredFile)]
        loaded = {file: self._cached[file] for file in stored if file in self._cached}
        if missing := [file for file in stored if file not in loaded]:
            async with self._database.transaction() as connection:
                data = await attachments.load(connection, {file.sha256 for file in missing})
            if problems := [_not_stored(file.name) for file in missing if len(data.get(file.sha256, b"")) != file.size]:
                raise InvalidDocumentError(problems)
            loaded |= {file: Attachment(file.name, file.media_type, data[file.sha256]) for file in missing}
        self._keep(loaded)
        return {**content, ATTACHMENTS: [loaded[file] if isinstance(file, StoredFile) else file for file in files]}

    def _keep(self, loaded: Mapping[StoredFile, Attachment]) -> None:
        """Keep these, and the ones used before them as far as there is room."""
        for file, attachment in loaded.items():
            self._size += 0 if file in self._cached else file.size
            self._cached[file] = attachment
            self._cached.move_to_end(file)
        while self._size > MAX_CACHED_BYTES:
            oldest, _ = self._cached.popitem(last=False)
            self._size -= oldest.size


def _not_stored(file: str) -> Problem:
    remedy = "Store it by POST /v1/attachments, as `sojourn apply` does"
    return Problem(file, 1, "attachment", "this file is not stored", remedy)
