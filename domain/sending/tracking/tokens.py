"""Tokens of tracked links: a message and one of its links, signed.

They hold no address.

A token is 25 bytes: the message's id, the number of the link, and eight bytes of HMAC-SHA256.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Sequence
from hashlib import sha256
from typing import Final
from uuid import UUID

from msgspec import Struct

from domain.errors import InvalidLinkError
from domain.sending.tracking.links import MAX_LINKS

# Numbers that no link has.
BOOKING: Final = 252
REPORT: Final = 253
TRAP: Final = 254
PIXEL: Final = 255
_MAC_BYTES: Final = 8
_TOKEN_BYTES: Final = 16 + 1 + _MAC_BYTES


class TrackedLink(Struct, frozen=True):
    """A link of a message, by its number: also TRAP or PIXEL, which no one clicks.

    REPORT and BOOKING are none: a device reports with the one, and a calendar says by the other who booked.
    """

    message_id: UUID
    number: int


def sign(secrets: Sequence[str], link: TrackedLink) -> str:
    """Return the token of a link: URL-safe, by the first secret, the same each time."""
    content = link.message_id.bytes + bytes([link.number])
    return urlsafe_b64encode(content + _mac(secrets[0], content)).decode().rstrip("=")


def read(secrets: Sequence[str], token: str) -> TrackedLink:
    """Read a token. Raises InvalidLinkError if none of the secrets signed it."""
    try:
        raw = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except (Error, ValueError):
        raw = b""
    content, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    if len(raw) != _TOKEN_BYTES or not any(hmac.compare_digest(_mac(secret, content), mac) for secret in secrets):
        raise InvalidLinkError("this link is not valid")
    number = content[16]
    if number >= MAX_LINKS and number not in (BOOKING, REPORT, TRAP, PIXEL):
        raise InvalidLinkError("this link is not valid")
    return TrackedLink(UUID(bytes=content[:16]), number)


def _mac(secret: str, content: bytes) -> bytes:
    key = hmac.digest(secret.encode(), b"sojourn.tracked-link", sha256)
    return hmac.digest(key, content, sha256)[:_MAC_BYTES]
