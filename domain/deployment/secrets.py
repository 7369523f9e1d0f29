"""The required strength of secrets, and how they may travel.

No fault quotes a secret, not even a weak one: faults go to logs and terminals.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, ip_address
from typing import Final
from urllib.parse import urlsplit

# 32 random characters of base64 or hexadecimal are at least 128 bits. Random texts have more distinct characters than
# this, patterns such as `aaaa…` and `abababab…` fewer.
MIN_CHARACTERS: Final = 32
MIN_DISTINCT: Final = 8
# From the specification of Standard Webhooks: https://www.standardwebhooks.com.
MIN_SIGNING_BYTES, MAX_SIGNING_BYTES = 24, 64

_LOOPBACK: Final = IPv4Network("127.0.0.0/8")
_LOOPBACK_6: Final = IPv6Address("::1")
# AES-256.
PAYLOAD_KEY_BYTES: Final = 32

# Remedies, not secrets.
MAKE_SECRET: Final = "make one with: openssl rand -hex 32"  # noqa: S105
MAKE_SIGNING_SECRET: Final = 'make one with: echo "whsec_$(openssl rand -base64 32)"'  # noqa: S105
MAKE_PAYLOAD_KEY: Final = 'make one with: echo "$(date +%Y-%m-%d):$(openssl rand -base64 32)"'


@dataclass(frozen=True, slots=True)
class SecretFault:
    """A fault of one setting, with its remedy."""

    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.problem}: {self.remedy}"


_KEY_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def read_list(text: str) -> list[str]:
    """Split the secrets of one setting, the newest first, by line or comma."""
    return [part.strip() for part in re.split(r"[,\r\n]", text) if part.strip()]


def find_secret_fault(secret: str) -> SecretFault | None:
    """Find what makes a key or a secret easy to guess; None for a strong one."""
    if not secret:
        return SecretFault("is empty", MAKE_SECRET)
    if len(secret) < MIN_CHARACTERS:
        return SecretFault(f"has {_count_text(len(secret), 'character')} of the {MIN_CHARACTERS} it takes", MAKE_SECRET)
    if len(set(secret)) < MIN_DISTINCT:
        return SecretFault(f"repeats {_count_text(len(set(secret)), 'character')} and can be guessed", MAKE_SECRET)
    return find_character_fault(secret, MAKE_SECRET)


def find_character_fault(secret: str, remedy: str) -> SecretFault | None:
    """Find why a secret cannot be a header: libraries would quote it in their errors."""
    if not secret.isascii() or not secret.isprintable() or " " in secret:
        return SecretFault("holds blanks, control characters or letters beyond ASCII", remedy)
    return None


def find_signing_fault(secret: str) -> SecretFault | None:
    """Find the fault of a secret of Standard Webhooks."""
    if not secret:
        return SecretFault("is empty", MAKE_SIGNING_SECRET)
    key = _decode(secret.removeprefix("whsec_"))
    if not secret.startswith("whsec_") or key is None:
        return SecretFault("is not whsec_ and base64", MAKE_SIGNING_SECRET)
    if not MIN_SIGNING_BYTES <= len(key) <= MAX_SIGNING_BYTES:
        wanted = f"{MIN_SIGNING_BYTES} to {MAX_SIGNING_BYTES}"
        return SecretFault(f"holds {_count_text(len(key), 'byte')} where {wanted} are required", MAKE_SIGNING_SECRET)
    if len(set(key)) < MIN_DISTINCT:
        return SecretFault(f"repeats {_count_text(len(set(key)), 'byte')} and can be guessed", MAKE_SIGNING_SECRET)
    return None


def find_payload_key_fault(key: str) -> SecretFault | None:
    """Find the fault of a key that encrypts payloads, `id:base64`."""
    id, _, encoded = key.partition(":")
    content = _decode(encoded)
    if not _KEY_ID.fullmatch(id) or content is None:
        return SecretFault("is not an id, a colon and base64", MAKE_PAYLOAD_KEY)
    if len(content) != PAYLOAD_KEY_BYTES or len(set(content)) < MIN_DISTINCT:
        return SecretFault(f"does not hold {PAYLOAD_KEY_BYTES} random bytes", MAKE_PAYLOAD_KEY)
    return None


def read_payload_keys(text: str) -> dict[str, bytes]:
    """Parse valid keys by id, the newest first."""
    pairs = (key.partition(":") for key in read_list(text))
    return {id: base64.b64decode(encoded) for id, _, encoded in pairs}


def find_repeated(secrets: Sequence[str], others: Iterable[tuple[str, str]]) -> SecretFault | None:
    """Find a secret that is repeated, here or in another setting."""
    if len(set(secrets)) < len(secrets):
        return SecretFault("names one secret twice", MAKE_SECRET)
    for name, other in others:
        if other in secrets:
            return SecretFault(f"is the same as {name}, and one of them would give the other away", MAKE_SECRET)
    return None


def find_public_url_fault(url: str) -> SecretFault | None:
    """Find why a URL is not fit for recipients."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in {"https", "http"} or parts.query or parts.fragment or parts.username:
        return SecretFault(
            "is not the address of a web server", "write it as recipients reach it: https://journeys.example.com"
        )
    if parts.scheme == "http" and not is_loopback(host):
        return SecretFault(
            "sends the links of recipients in the clear", "put TLS before the API, and write https:// here"
        )
    return None


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine: localhost, 127.0.0.0/8 or ::1.

    Names are not looked up. Other names in `.localhost` are local by RFC 6761, but not for every resolver.
    """
    if host.lower() == "localhost":
        return True
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return False
    return address in _LOOPBACK if address.version == 4 else address == _LOOPBACK_6


def _decode(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _count_text(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
