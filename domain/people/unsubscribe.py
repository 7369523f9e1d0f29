"""Signed unsubscribe links, which never expire: a mail may be opened years later.

Source: RFC 8058, one-click unsubscription. The signature makes a link unguessable; its content is readable, so it holds
only ids.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from itsdangerous import BadSignature, URLSafeSerializer

from domain.errors import InvalidLinkError

# A compressed token begins with a dot, and proxies deny paths with such a segment. Older links without the prefix are
# valid.
_PREFIX = "u"


@dataclass(frozen=True, slots=True)
class UnsubscribeLink:
    """The person and the channel of a link, and the message that carried it."""

    profile_id: str
    channel: str
    message_id: str


def sign(secrets: Sequence[str], *, profile_id: str, channel: str, message_id: str) -> str:
    """Return the token of a link: URL-safe ASCII, deterministic, by the first secret."""
    return _PREFIX + str(_serializer(secrets).dumps([profile_id, channel, message_id]))


def read(secrets: Sequence[str], token: str) -> UnsubscribeLink:
    """Read a token. Raises InvalidLinkError if none of the secrets signed it."""
    try:
        # A serialised token begins with a dot or a capital W, so the prefix is unambiguous.
        profile_id, channel, message_id = _serializer(secrets).loads(token.removeprefix(_PREFIX))
    except (BadSignature, ValueError, TypeError) as error:
        raise InvalidLinkError("this unsubscribe link is not valid") from error
    return UnsubscribeLink(profile_id, channel, message_id)


def mark_of(secret: str) -> str:
    """Return a fingerprint by which processes compare a secret without showing it."""
    return hmac.digest(secret.encode(), b"sojourn.mark", sha256).hex()[:16]


def _serializer(secrets: Sequence[str]) -> URLSafeSerializer:
    return URLSafeSerializer(
        # The library expects the newest one last.
        list(reversed(secrets)),
        salt="sojourn.unsubscribe",
        signer_kwargs={"key_derivation": "hmac", "digest_method": sha256},
    )
