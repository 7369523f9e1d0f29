"""Parse mails that anyone may have written."""

from email import message_from_bytes
from email.message import Message
from email.policy import Compat32
from typing import Final

# The size of one header. The standard library takes the square of a header's length, many seconds for a megabyte.
MAX_HEADER_CHARACTERS: Final = 16_000


class _BoundedHeaders(Compat32):
    """Keeps the beginning of each header."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[:MAX_HEADER_CHARACTERS]


_POLICY: Final = _BoundedHeaders()


def parse_mail(body: bytes) -> Message:
    """Return a mail with the beginning of each header, however broken it is."""
    return message_from_bytes(body, policy=_POLICY)
