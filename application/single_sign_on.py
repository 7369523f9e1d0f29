"""Single sign-on: log-ins at an identity provider, which open sessions."""

import re
import secrets
from collections.abc import Mapping
from typing import Any, Final, Protocol

from msgspec import Struct

from application.console_sessions import ConsoleSessions, NewSession
from domain.access import Access, Role
from domain.errors import ForbiddenError, InvalidRequestError
from domain.single_sign_on import choose_return, read_person

_ERROR_CODE: Final = re.compile(r"[a-z_]{1,64}")


class LoginAttempt(Struct, frozen=True):
    """A log-in that a browser has begun; it keeps this until the provider's answer.

    `former` is the cookie of the session that the browser had: the answer comes from another site, and so without it.
    The value is not signed: nothing in it is believed but by comparison with an answer, or as a cookie of a session.
    """

    state: str
    nonce: str
    verifier: str
    return_to: str
    former: str | None = None


class LoginAnswer(Struct, frozen=True):
    """The parameters of a provider's answer."""

    state: str | None = None
    code: str | None = None
    iss: str | None = None
    error: str | None = None


class IdentityProvider(Protocol):
    """The provider that knows the people."""

    issuer: str

    async def log_in_url(self, *, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Return the address at which a person logs in."""
        ...

    async def require_issuer(self, named: str | None) -> None:
        """Raise ForbiddenError for the answer of another provider."""
        ...

    async def redeem(self, code: str, *, redirect_uri: str, verifier: str, nonce: str) -> Mapping[str, Any]:
        """Return the verified claims of a code's person."""
        ...


class SingleSignOn:
    """Log-ins by one identity provider, whose groups have roles."""

    def __init__(
        self,
        provider: IdentityProvider,
        sessions: ConsoleSessions,
        redirect_uri: str,
        groups_claim: str,
        roles: Mapping[str, Role],
    ) -> None:
        self._provider = provider
        self._sessions = sessions
        self._redirect_uri = redirect_uri
        self._groups_claim = groups_claim
        self._roles = roles

    async def begin(self, return_to: str, former: str | None) -> tuple[str, LoginAttempt]:
        """Return the address of the log-in, and the attempt for the browser to keep.

        Raises UnavailableError if the provider cannot be asked.
        """
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        url = await self._provider.log_in_url(
            redirect_uri=self._redirect_uri, state=state, nonce=nonce, verifier=verifier
        )
        return url, LoginAttempt(state, nonce, verifier, choose_return(return_to), former)

    async def finish(
        self, attempt: LoginAttempt | None, answer: LoginAnswer, replaced: Access | None
    ) -> tuple[NewSession, str]:
        """Open the session of an answer; return it, and the page to show.

        `replaced` is the session that the browser has sent, if it did. Raises InvalidRequestError for an answer to
        another attempt, ForbiddenError for a refusal, and UnavailableError.
        """
        if (
            attempt is None
            or answer.state is None
            or not secrets.compare_digest(attempt.state.encode(), answer.state.encode())
        ):
            raise InvalidRequestError(
                "this log-in was not begun in this browser, another one was begun since, or it is over; begin it again"
            )
        await self._provider.require_issuer(answer.iss)
        if answer.error is not None:
            code = answer.error if _ERROR_CODE.fullmatch(answer.error) else "no known code"
            raise ForbiddenError(f"the identity provider has refused the log-in: {code}")
        if not answer.code:
            raise InvalidRequestError("the answer of the identity provider has no code; begin the log-in again")
        claims = await self._provider.redeem(
            answer.code, redirect_uri=self._redirect_uri, verifier=attempt.verifier, nonce=attempt.nonce
        )
        person = read_person(self._provider.issuer, claims, self._groups_claim, self._roles)
        if replaced is None and attempt.former is not None:
            replaced = await self._sessions.verify(attempt.former)
        opened = await self._sessions.open(person.actor, person.scopes, "oidc", None, replaced)
        return opened, choose_return(attempt.return_to)
