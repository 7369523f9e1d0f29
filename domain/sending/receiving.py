"""Addresses at which bounces, replies and unsubscriptions come back.

Each names a message, signed: who writes to one has been sent that message, or was told its address. The local part has
letters, digits, `+` and `.` alone, in lower case, since servers on the way may change the case, and fits into the 64
characters of RFC 5321.
"""

import hmac
import re
from base64 import b32decode, b32encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Final, Literal, cast
from uuid import UUID

from msgspec import Struct

MailPurpose = Literal["bounce", "reply", "unsubscribe"]

_MAC_BYTES: Final = 10
# Without ASCII, other letters such as the long s would pass for these.
_FLAGS: Final = re.IGNORECASE | re.ASCII
_ADDRESS: Final = re.compile(r"(bounce|reply|unsubscribe)\+([a-z2-7]{26})\.([a-z2-7]{16})@[^@\s]+", _FLAGS)
_OURS: Final = re.compile(r"(?:bounce|reply|unsubscribe)\+", _FLAGS)
_PADDING: Final = "======"


class Addressee(Struct, frozen=True):
    """The message that an address names, and what its mails are."""

    purpose: MailPurpose
    message_id: UUID


class ReceivingDomain(Struct, frozen=True):
    """A domain whose mails come to Sojourn. The first of the secrets signs."""

    name: str
    secrets: tuple[str, ...]

    def __repr__(self) -> str:
        """Show no secret, in logs."""
        return f"ReceivingDomain({self.name!r})"

    def address(self, purpose: MailPurpose, message_id: UUID) -> str:
        """Return the address for mails about a message, the same each time."""
        mac = _mac(self.secrets[0], Addressee(purpose, message_id))
        return f"{purpose}+{_encode(message_id.bytes)}.{mac}@{self.name}"


def read_address(secrets: Sequence[str], address: str) -> Addressee | None:
    """Read an address; None unless one of the secrets signed it."""
    found = _ADDRESS.fullmatch(address)
    if found is None:
        return None
    purpose, id, mac = (part.lower() for part in found.groups())
    addressee = Addressee(cast(MailPurpose, purpose), UUID(bytes=b32decode(id.upper() + _PADDING)))
    is_signed = any(hmac.compare_digest(_mac(secret, addressee), mac) for secret in secrets)
    return addressee if is_signed else None


def looks_signed(address: str) -> bool:
    """Return whether an address has the form of these, signed or not."""
    return _OURS.match(address) is not None


def _mac(secret: str, addressee: Addressee) -> str:
    key = hmac.digest(secret.encode(), b"sojourn.mail", sha256)
    return _encode(hmac.digest(key, addressee.purpose.encode() + addressee.message_id.bytes, sha256)[:_MAC_BYTES])


def _encode(content: bytes) -> str:
    return b32encode(content).decode().rstrip("=").lower()
