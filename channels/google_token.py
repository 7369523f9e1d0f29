"""Access tokens of Google, by the key of a service account (RFC 7523).

https://developers.google.com/identity/protocols/oauth2/service-account#httprest
"""

import asyncio
import json
from collections.abc import Callable
from time import time
from typing import Any, Final
from urllib.parse import urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from channels.http_call import TOTAL_SECONDS, HttpCalls, HttpReply
from channels.retry_after import MAX_RETRY_AFTER
from domain.sending.delivery import ACCOUNT, Accepted, Delivery, Unavailable

TOKEN_URL: Final = "https://oauth2.googleapis.com/token"  # noqa: S105 -- an address
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# Google's longest. A token is replaced a while before it ends.
_LIFETIME: Final = 3_600
_EARLY: Final = 300


class GoogleToken:
    """The token of a service account for one scope.

    `key` is its JSON, and `now` in seconds since 1970. Raises ValueError for a key that is none.
    """

    def __init__(
        self,
        key: str,
        scope: str,
        url: str = TOKEN_URL,
        seconds: float = TOTAL_SECONDS,
        now: Callable[[], float] = time,
    ) -> None:
        found: Any = json.loads(key)
        if not isinstance(found, dict) or not all(
            isinstance(found.get(k), str) for k in ("client_email", "private_key")
        ):
            raise ValueError("this is not the key of a service account")
        self._email, self._key = found["client_email"], _read_key(found["private_key"])
        self._scope = scope
        self._url = url
        self._now = now
        self._calls = HttpCalls("google", seconds=seconds)
        self._token = ""
        self._expires_at = 0.0
        # One request serves all that wait for a token.
        self._turn = asyncio.Lock()

    async def get(self) -> str | Unavailable:
        """Return a token that is good for some minutes at least, or why there is none."""
        async with self._turn:
            return await self._find()

    def forget(self) -> None:
        """Use the token no more, which was refused."""
        self._expires_at = 0.0

    async def _find(self) -> str | Unavailable:
        now = self._now()
        if now < self._expires_at - _EARLY:
            return self._token
        claims = {
            "iss": self._email,
            "scope": self._scope,
            "aud": TOKEN_URL,
            "iat": int(now),
            "exp": int(now) + _LIFETIME,
        }
        assertion = jwt.encode(claims, self._key, "RS256")
        token: str | None = None

        def read(reply: HttpReply) -> Delivery | None:
            nonlocal token
            token = reply.find_text("access_token")
            if reply.status in (400, 401):
                return Unavailable(ACCOUNT, "google refuses the key of the service account", MAX_RETRY_AFTER)
            return None

        delivery = await self._calls.post(
            self._url,
            content=urlencode({"grant_type": _GRANT, "assertion": assertion}).encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            read=read,
        )
        if isinstance(delivery, Accepted) and token is not None:
            self._token, self._expires_at = token, now + _LIFETIME
            return token
        return delivery if isinstance(delivery, Unavailable) else Unavailable("connection", "google gave no token")

    async def close(self) -> None:
        """Close the connections."""
        await self._calls.close()


def _read_key(text: str) -> RSAPrivateKey:
    """Read a private key in PEM. Raises ValueError."""
    try:
        key = load_pem_private_key(text.encode(), None)
    except (ValueError, TypeError) as error:
        raise ValueError("the `private_key` is not one in PEM") from error
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("the `private_key` is of another kind than RSA")
    return key
