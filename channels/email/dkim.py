"""DKIM signatures of mails (RFC 6376): relaxed/relaxed, by an RSA key.

A receiver that asks for one-click unsubscription wants its headers signed (RFC 8058, 4).
"""

import re
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

# RFC 8301, 3.2. Receivers ignore signatures by shorter keys.
MIN_KEY_BITS: Final = 1024
# Named once more than they occur, so that none can be added on the way (RFC 6376, 8.15).
_GUARDED: Final = ("from", "to", "subject", "reply-to")
_SIGNED: Final = (
    *_GUARDED,
    "date",
    "message-id",
    "mime-version",
    "content-type",
    "list-id",
    "list-unsubscribe",
    "list-unsubscribe-post",
)
_LINE: Final = 72


@dataclass(frozen=True, slots=True)
class DkimSigner:
    """Signs mails for a domain.

    Its DNS has the public key at `{selector}._domainkey.{domain}`.
    """

    domain: str
    selector: str
    key: RSAPrivateKey

    @classmethod
    def read(cls, domain: str, selector: str, pem: str) -> Self:
        """Read an RSA key in PEM without a password. Raises ValueError for anything else."""
        try:
            key = load_pem_private_key(pem.encode(), password=None)
        except (TypeError, UnsupportedAlgorithm) as error:
            raise ValueError("the key has a password, or is of an unknown kind") from error
        if not isinstance(key, RSAPrivateKey) or key.key_size < MIN_KEY_BITS:
            raise ValueError(f"the key is not an RSA key of {MIN_KEY_BITS} bits or more")
        return cls(domain, selector, key)

    def sign(self, mail: bytes, at: datetime) -> bytes:
        """Return the mail with its signature as the first header.

        `mail` has CRLF line ends and each header once. `at` is the instant of the signature.
        """
        head, _, body = mail.partition(b"\r\n\r\n")
        headers = dict(map(_canonical_header, re.split(rb"\r\n(?![ \t])", head)))
        signed = [name for name in _SIGNED if name in headers]
        tags = {
            "v": "1",
            "a": "rsa-sha256",
            "c": "relaxed/relaxed",
            "d": self.domain,
            "s": self.selector,
            "t": str(int(at.timestamp())),
            "h": ":".join([*signed, *_GUARDED]),
            "bh": b64encode(sha256(_canonical_body(body)).digest()).decode(),
            "b": "",
        }
        unsigned = "DKIM-Signature: " + ";\r\n ".join(f"{name}={value}" for name, value in tags.items())
        name, value = _canonical_header(unsigned.encode())
        parts = [f"{one}:".encode() + headers[one] + b"\r\n" for one in signed]
        signature = self.key.sign(b"".join([*parts, f"{name}:".encode() + value]), PKCS1v15(), SHA256())
        written = b64encode(signature).decode()
        lines = [written[start : start + _LINE] for start in range(0, len(written), _LINE)]
        return (unsigned + "\r\n ".join(lines) + "\r\n").encode() + mail


def _canonical_header(header: bytes) -> tuple[str, bytes]:
    """Return the name and the relaxed value of a header (RFC 6376, 3.4.2)."""
    name, _, value = header.partition(b":")
    return name.decode().strip().lower(), re.sub(rb"[ \t]+", b" ", value.replace(b"\r\n", b"")).strip(b" ")


def _canonical_body(body: bytes) -> bytes:
    """Return the relaxed body (RFC 6376, 3.4.4)."""
    lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)
