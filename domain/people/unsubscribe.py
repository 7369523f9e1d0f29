"""Signed unsubscribe links. They never expire: a mail may be opened years later, and its link must still work.

Source: RFC 8058, one-click unsubscription. The signature makes a link unguessable; what it says is readable, so it
says nothing but ids.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from itsdangerous import BadSignature, URLSafeSerializer

from domain.errors import InvalidLinkError

# A compressed token begins with a dot, and proxies deny paths with a segment that does. Links without it stay valid.
_PREFIX = "u"


@dataclass(frozen=True, slots=True)
class UnsubscribeLink:
    """The person and the channel of a link, and the message that carried it."""

    profile_id: str
    channel: str
    message_id: str


def sign(secrets: Sequence[str], *, profile_id: str, channel: str, message_id: str) -> str:
    """The token that goes into the link: URL-safe ASCII, the same for the same arguments. The first secret signs."""
    return _PREFIX + str(_serializer(secrets).dumps([profile_id, channel, message_id]))


def read(secrets: Sequence[str], token: str) -> UnsubscribeLink:
    """What the token says. Raises InvalidLinkError where `sign` did not make it with one of these secrets."""
    try:
        # A serialised token begins with a dot or a capital W, so that the prefix is never mistaken.
        profile_id, channel, message_id = _serializer(secrets).loads(token.removeprefix(_PREFIX))
    except (BadSignature, ValueError, TypeError) as error:
        raise InvalidLinkError("this unsubscribe link is not valid") from error
    return UnsubscribeLink(profile_id, channel, message_id)


def mark_of(secret: str) -> str:
    """A text by which processes see whether they have the same secret, and from which it cannot be found out."""
    return hmac.digest(secret.encode(), b"sojourn.mark", sha256).hex()[:16]


def _serializer(secrets: Sequence[str]) -> URLSafeSerializer:
    return URLSafeSerializer(
        # The library wants the newest one last.
        list(reversed(secrets)),
        salt="sojourn.unsubscribe",
        signer_kwargs={"key_derivation": "hmac", "digest_method": sha256},
    )
