"""Signed unsubscribe links. They never expire: a mail may be opened years later, and its link must still work.

Source: RFC 8058, one-click unsubscription. The signature makes a link unguessable; what it says is readable, so it
says nothing but ids.
"""

from dataclasses import dataclass
from hashlib import sha256

from itsdangerous import BadSignature, URLSafeSerializer

from domain.errors import InvalidLinkError

# A compressed token begins with a dot, and proxies deny paths with a segment that does. Links without it stay valid.
_PREFIX = "u"


@dataclass(frozen=True, slots=True)
class UnsubscribeLink:
    """Whom a link takes off which channel, and the message that carried it."""

    profile_id: str
    channel: str
    message_id: str


def sign(secret: str, *, profile_id: str, channel: str, message_id: str) -> str:
    """The token that goes into the link: URL-safe ASCII, the same for the same arguments."""
    return _PREFIX + str(_serializer(secret).dumps([profile_id, channel, message_id]))


def read(secret: str, token: str) -> UnsubscribeLink:
    """What the token says. Raises InvalidLinkError where `sign` did not make it with this secret."""
    try:
        # A serialised token begins with a dot or a capital W, so that the prefix is never mistaken.
        profile_id, channel, message_id = _serializer(secret).loads(token.removeprefix(_PREFIX))
    except (BadSignature, ValueError, TypeError) as error:
        raise InvalidLinkError("this unsubscribe link is not valid") from error
    return UnsubscribeLink(profile_id, channel, message_id)


def _serializer(secret: str) -> URLSafeSerializer:
    return URLSafeSerializer(
        secret, salt="sojourn.unsubscribe", signer_kwargs={"key_derivation": "hmac", "digest_method": sha256}
    )
