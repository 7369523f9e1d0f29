"""The callers of the client API: a browser key, and the person that it asks for.

The key is public, so it says nothing of a person. A user token names a user, an anonymous id a person without a user
id: once the person has one, the anonymous id names no person. A wrong token is refused, so that a page renews it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import Depends, Header, Request

from api.auth import admit_page, require, user_token, verify_write_key, write_key
from api.dependencies import TextField
from api.routes import Route
from domain.access import Access, Scope
from domain.errors import InvalidRequestError, UnauthorizedError
from domain.people.identity import Identity
from domain.tracking.identifiers import read_identifier
from domain.tracking.item_error import ItemError
from domain.tracking.user_token import TokenFault, VerifiedUser, verify_user_token

CLIENT_PATHS: Final = ("/v1/client/{path:path}",)

AnonymousIdHeader = Annotated[
    TextField | None,
    Header(
        alias="X-Anonymous-Id",
        # 255 characters, in UTF-8.
        max_length=1_020,
        description="Names an anonymous person, where there is no user token. An id whose person is known by a user "
        "id names no person.",
        examples=["8f14e45f-ceea-467f-a9d0-3c2b1e6f7a55"],
    ),
]


@dataclass(frozen=True, slots=True, repr=False)
class Caller:
    """A caller with a browser key. Without repr, so that no log shows a token.

    `identity` names the person of the call. `token_ends_at` is None for an anonymous person.
    """

    key: bytes
    access: Access
    identity: Identity
    token: str | None = None
    token_ends_at: datetime | None = None


class ClientRoute(Route):
    """A route of pages and apps: the key is a browser key, beside the user token.

    Its calls are idempotent by themselves, and nothing that strangers choose is kept under an Idempotency-Key.
    """

    keeps_answers = False

    async def admit(self, request: Request, scope: Scope) -> None:
        """Verify the key, its scope and the page, before the body is read."""
        access = await verify_write_key(request, write_key(request))
        require(access, scope)
        admit_page(request, access, for_pages_only=True)
        request.state.access = access


def verify_token(access: Access, token: str) -> VerifiedUser:
    """Return the user of a token of a browser key. Raises UnauthorizedError.

    Its times are those of the server that has signed it, whatever the deployment's clock says in development.
    """
    secrets = () if access.browser is None else access.browser.token_secrets
    user = verify_user_token(token, secrets, datetime.now(UTC))
    if isinstance(user, TokenFault):
        raise UnauthorizedError(f"the user token does not count: {user.reason}")
    return user


async def find_caller(request: Request, anonymous_id: AnonymousIdHeader = None) -> Caller:
    """Return the person of a call.

    Raises UnauthorizedError, and InvalidRequestError without one.
    """
    access: Access = request.state.access
    key = write_key(request) or b""
    if (token := user_token(request)) is not None:
        user = verify_token(access, token)
        return Caller(key, access, Identity("user", user.user_id), token, user.expires_at)
    try:
        named = read_identifier("X-Anonymous-Id", _decode(anonymous_id), request.app.state.placeholders)
    except ItemError as error:
        raise InvalidRequestError(str(error)) from error
    if named is None:
        raise InvalidRequestError(
            "this call is about a person: send a user token as `Authorization: Bearer TOKEN`, and the key as "
            "`X-Write-Key`; an anonymous person has `X-Anonymous-Id`"
        )
    return Caller(key, access, Identity("anonymous", named))


def _decode(header: str | None) -> str | None:
    """Return the text of a header in UTF-8, or in Latin-1 as HTTP once had it."""
    try:
        return None if header is None else header.encode("latin-1").decode()
    except UnicodeError:
        return header


async def _find_user(request: Request) -> Caller:
    if user_token(request) is None:
        raise UnauthorizedError(
            "this call needs a user token: send it as `Authorization: Bearer TOKEN`, and the key as `X-Write-Key`"
        )
    return await find_caller(request)


# The person of a call, and one who must have a user token.
AnyCaller = Annotated[Caller, Depends(find_caller)]
UserCaller = Annotated[Caller, Depends(_find_user)]
