"""Signatures of callbacks, compared in constant time.

Each raises UnverifiedCallbackError. `now` is the caller's: a signature that is too old, or from the future, is refused.
"""

import binascii
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import jwt
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from domain.errors import UnverifiedCallbackError

# By how much the clock of a provider may be ahead.
MAX_AHEAD: Final = timedelta(minutes=5)
STANDARD_AGE: Final = timedelta(minutes=5)


def refuse(why: str) -> UnverifiedCallbackError:
    """Return the refusal of a callback; it never quotes any of it."""
    return UnverifiedCallbackError(f"this callback is not verified: {why}")


def check_age(at: datetime, now: datetime, most: timedelta) -> None:
    """Refuse a time that is too long ago, or ahead."""
    if not -MAX_AHEAD <= now - at <= most:
        raise refuse("its time is too far from the present")


def read_epoch(text: str) -> datetime:
    """Read seconds since 1970. Raises UnverifiedCallbackError."""
    try:
        return datetime.fromtimestamp(int(text), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise refuse("it has no time") from error


def verify_shared_secret(headers: Mapping[str, str], secret: str) -> None:
    """Verify a secret in the header: `Bearer SECRET`, or the password of `Basic`."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    given = value.strip().encode()
    if scheme.lower() == "basic":
        try:
            given = b64decode(given, validate=True).partition(b":")[2]
        except binascii.Error as error:
            raise refuse("its Authorization header is malformed") from error
    elif scheme.lower() != "bearer":
        raise refuse("it has no Authorization header")
    if not hmac.compare_digest(given, secret.encode()):
        raise refuse("its secret is another one")


def verify_hex_hmac(secret: str, signed: bytes, signature: str, digest: Literal["sha1", "sha256"] = "sha256") -> None:
    """Verify an HMAC in hexadecimal."""
    expected = hmac.new(secret.encode(), signed, digest).hexdigest()
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        raise refuse("its signature does not match")


def verify_twilio(secret: str, headers: Mapping[str, str], url: str, fields: Mapping[str, Sequence[str]]) -> None:
    """Verify a form of Twilio: HMAC-SHA1 of the URL and the sorted fields, in base64.

    Twilio signs the URL with its port or without it.

    https://www.twilio.com/docs/usage/webhooks/webhooks-security
    """
    form = "".join(f"{name}{value}" for name in sorted(fields) for value in sorted(set(fields[name])))
    given = headers.get("x-twilio-signature", "").encode()
    expected = [b64encode(hmac.digest(secret.encode(), f"{each}{form}".encode(), "sha1")) for each in _with_ports(url)]
    # Each is compared, so that the time tells nothing.
    if not any([hmac.compare_digest(each, given) for each in expected]):  # noqa: C419
        raise refuse("its signature does not match")


def verify_signed_digest(secret: str, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
    """Verify a JWT of Vonage, whose claim `payload_hash` is the SHA-256 of the body."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise refuse("it has no Authorization header")
    # Its time is judged below, by the caller's clock.
    options: Any = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False}
    try:
        claims = jwt.decode(token.strip(), secret, algorithms=["HS256"], options=options)
    except jwt.PyJWTError as error:
        raise refuse("its signature does not match") from error
    check_age(read_epoch(str(claims.get("iat", ""))), now, STANDARD_AGE)
    given = str(claims.get("payload_hash", "")).lower().encode()
    if not hmac.compare_digest(sha256(body).hexdigest().encode(), given):
        raise refuse("its body is another one")


def _with_ports(url: str) -> Iterator[str]:
    """Iterate over a URL as configured, without its port, and with the usual one."""
    split = urlsplit(url)
    host = split.netloc.rpartition("@")[2]
    bare = re.sub(r":[0-9]+$", "", host)
    port = {"https": 443, "http": 80}.get(split.scheme)
    for netloc in dict.fromkeys((host, bare, f"{bare}:{port}")):
        yield url.replace(f"//{split.netloc}", f"//{netloc}", 1)


def verify_standard_webhook(
    secret: str, headers: Mapping[str, str], body: bytes, now: datetime, *, prefix: str = "webhook"
) -> str:
    """Verify the headers of Standard Webhooks; return the id.

    Svix has a `prefix` of its own.

    https://www.standardwebhooks.com
    """
    id, time = headers.get(f"{prefix}-id", ""), headers.get(f"{prefix}-timestamp", "")
    if not id:
        raise refuse("it has no id")
    check_age(read_epoch(time), now, STANDARD_AGE)
    try:
        key = b64decode(secret.removeprefix("whsec_"))
    except binascii.Error as error:
        raise refuse("the secret of the deployment is malformed") from error
    expected = b64encode(hmac.new(key, f"{id}.{time}.".encode() + body, sha256).digest())
    given = (one.partition(",") for one in headers.get(f"{prefix}-signature", "").split(" "))
    # There are two while a key is rotated.
    if not any(version == "v1" and hmac.compare_digest(expected, text.encode()) for version, _, text in given):
        raise refuse("its signature does not match")
    return id


def verify_ecdsa(public_key: str, signed: bytes, signature: str) -> None:
    """Verify an ECDSA signature with SHA-256, in base64; the key is a DER in base64."""
    try:
        key = load_der_public_key(b64decode(public_key, validate=True))
        if not isinstance(key, EllipticCurvePublicKey):
            raise refuse("the key of the deployment is of another kind")
        key.verify(b64decode(signature, validate=True), signed, ECDSA(SHA256()))
    except (binascii.Error, ValueError, InvalidSignature, UnsupportedAlgorithm) as error:
        raise refuse("its signature does not match") from error
