"""Files attached to a mail."""

import re
from base64 import encodebytes
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from msgspec import Struct

# Base64 adds a third: the smallest bound of a provider is 10 MB for a mail as it is sent.
MAX_ATTACHED_BYTES: Final = 7 * 1024 * 1024
# One request carries a file.
MAX_FILE_BYTES: Final = 4 * 1024 * 1024
_POINTER = re.compile(r"sha256:(?P<hash>[0-9a-f]{64}) (?P<size>\d{1,12})\n?")


class StoredFile(Struct, frozen=True):
    """An attached file that is stored by its hash."""

    name: str
    media_type: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Attachment:
    """An attached file. Its Base64 form is made once, for all mails that have it."""

    name: str
    media_type: str
    data: bytes

    @property
    def size(self) -> int:
        """The size in bytes."""
        return len(self.data)

    @cached_property
    def base64(self) -> str:
        """The data in Base64, in lines of 76 characters with CRLF, as mails have it."""
        return encodebytes(self.data).decode().replace("\n", "\r\n")

    @cached_property
    def base64_line(self) -> str:
        """The data in Base64 as one line, as APIs have it."""
        return self.base64.replace("\r\n", "")


def write_pointer(sha256: str, size: int) -> str:
    """Return the line that stands for a file among a version's templates."""
    return f"sha256:{sha256} {size}"


def read_pointer(text: str) -> tuple[str, int] | None:
    """Return the hash and the size that such a line names; None if it is none."""
    found = _POINTER.fullmatch(text)
    return (found["hash"], int(found["size"])) if found else None
