"""Signed links of messages, to refuse, to prefer, to confirm and to answer.

They are mailed: the person who follows one reads the address. The signature makes a link unguessable; its content is
readable, so it holds only ids. A link opens the pages of its own purpose alone. Source of one-click unsubscription:
RFC 8058.
"""

import hmac
from collections.abc import Sequence
from hashlib import sha256
from typing import Final, Literal

from itsdangerous import BadSignature, URLSafeSerializer
from msgspec import Struct

from domain.errors import InvalidLinkError, PreviewLinkError
from domain.people.topics.subscription import SubscriptionRef
from domain.sending.caps import is_transactional

# The page of a link, as its path begins. A mail may be opened years later, so only a confirmation ends.
LinkPurpose = Literal["unsubscribe", "preferences", "confirm", "survey"]
# In place of a token, in previews and tests: it is readable, and opens nothing.
INERT: Final = "preview"

# A compressed token begins with a dot, and proxies deny paths with such a segment. Older links without the prefix are
# valid.
_PREFIX: Final = "u"


class MessageLink(Struct, frozen=True):
    """The person and the channel of a link, and the message that carried it.

    `topic` is the one that a link confirms; empty for other purposes.
    """

    profile_id: str
    channel: str
    message_id: str
    topic: str = ""


def list_purposes(category: str, channel: str, asked: SubscriptionRef | None) -> tuple[LinkPurpose, ...]:
    """Return the purposes of a message's links: to refuse it, or to confirm a request.

    `asked` is the subscription that waits for a confirmation, if one has started the journey.
    """
    if not is_transactional(category):
        return "unsubscribe", "preferences"
    return () if asked is None or asked.channel != channel else ("confirm",)


def sign(secrets: Sequence[str], purpose: LinkPurpose, link: MessageLink) -> str:
    """Return the token of a link: URL-safe ASCII, deterministic, by the first secret."""
    parts = [link.profile_id, link.channel, link.message_id, *([link.topic] if link.topic else [])]
    return _PREFIX + str(_serializer(secrets, purpose).dumps(parts))


def read(secrets: Sequence[str], purpose: LinkPurpose, token: str) -> MessageLink:
    """Read a token of this purpose. Raises InvalidLinkError unless a secret signed it."""
    if token == INERT:
        raise PreviewLinkError("this is the link of a preview, and opens nothing")
    try:
        # A serialised token begins with a dot or a capital W, so the prefix is unambiguous.
        profile_id, channel, message_id, *more = _serializer(secrets, purpose).loads(token.removeprefix(_PREFIX))
        [topic] = more or [""]
    except (BadSignature, ValueError, TypeError) as error:
        raise InvalidLinkError("this link is not valid") from error
    return MessageLink(profile_id, channel, message_id, topic)


def mark_of(secret: str) -> str:
    """Return a fingerprint by which processes compare a secret without showing it."""
    return hmac.digest(secret.encode(), b"sojourn.mark", sha256).hex()[:16]


def _serializer(secrets: Sequence[str], purpose: LinkPurpose) -> URLSafeSerializer:
    return URLSafeSerializer(
        # The library expects the newest one last.
        list(reversed(secrets)),
        salt=f"sojourn.{purpose}",
        signer_kwargs={"key_derivation": "hmac", "digest_method": sha256},
    )
