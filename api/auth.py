"""Who may call: the write key for tracking, the admin key for all else. Keys are compared in constant time."""

import base64
import binascii
import secrets
from dataclasses import dataclass
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from domain.errors import UnauthorizedError
from settings import Settings


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """The keys of the deployment. Without repr, so that no log shows them."""

    write: bytes
    admin: bytes

    @classmethod
    def of(cls, settings: Settings) -> "Keys":
        return cls(settings.write_key.get_secret_value().encode(), settings.admin_key.get_secret_value().encode())


def key_in_header(request: Request) -> bytes | None:
    """The key in the Authorization header: `Basic` with the key as user name, or `Bearer`. None without the header.

    Raises UnauthorizedError for a header that is neither.
    """
    header = request.headers.get("authorization")
    if header is None:
        return None
    scheme, _, value = header.partition(" ")
    match scheme.lower():
        case "bearer":
            return value.strip().encode("latin-1")
        case "basic":
            try:
                return base64.b64decode(value.strip(), validate=True).partition(b":")[0]
            except (binascii.Error, ValueError) as error:
                raise UnauthorizedError("the Basic authorization is not base64 of `key:`") from error
    raise UnauthorizedError("send the key as `Authorization: Bearer KEY`, or as the user name of Basic authorization")


def require_write_key(request: Request, given: bytes | None) -> None:
    """Raises UnauthorizedError unless `given` is the write key."""
    _require(
        _keys(request).write,
        given,
        "the write key is missing: send it as the user name of Basic authorization, as `Authorization: Bearer KEY`, "
        "or as `writeKey` in the body",
    )


def require_admin_key(
    request: Request,
    _documented: Annotated[
        HTTPAuthorizationCredentials | None,
        Security(HTTPBearer(auto_error=False, scheme_name="Admin key", description="Or the user name of Basic.")),
    ],
) -> None:
    """The dependency of every route that is not tracking."""
    _require(
        _keys(request).admin,
        key_in_header(request),
        "the admin key is missing: send it as `Authorization: Bearer KEY`",
    )


def _keys(request: Request) -> Keys:
    keys = request.app.state.keys
    if not isinstance(keys, Keys):
        raise TypeError("the application has no keys")
    return keys


def _require(expected: bytes, given: bytes | None, missing: str) -> None:
    if not given:
        raise UnauthorizedError(missing)
    if not (secrets.compare_digest(given, expected) and expected):
        raise UnauthorizedError("this key is not the right one for this call")
