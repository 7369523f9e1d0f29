"""An OpenID Connect provider: its page to log in, and the claims of a code.

Sources: OpenID Connect Core 1.0, 3.1 (the flow with a code), and Discovery 1.0; RFC 7636 (PKCE); RFC 9207 (`iss` in
answers). The documents of the provider are bounded in size and time, and no redirect is followed. Endpoints have
HTTPS, unless provider and endpoint are on this machine.
"""

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import structlog
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key
from msgspec import Struct

from channels.bulkhead import Bulkhead
from channels.http_call import HttpCalls, HttpReply
from domain.deployment.secrets import is_loopback
from domain.errors import ForbiddenError, UnavailableError

CALL_SECONDS: Final = 10.0
MAX_BYTES: Final = 256 * 1024
# The provider's documents are read again after this time: also for a key that was withdrawn.
CACHED_SECONDS: Final = 3_600.0
# A key that is not known may be new; tokens of others must not make us ask more often.
ROTATION_SECONDS: Final = 60.0
# After a failure: anyone can cause a log-in.
FAILED_SECONDS: Final = 5.0
# The difference between two clocks.
LEEWAY_SECONDS: Final = 60
# Signatures by a private key: the public one, or the client's secret, must not make a token.
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519")
# For the name of a person, and their groups, where the provider has a scope for them.
_WANTED_SCOPES: Final = ("profile", "email", "groups")

_log = structlog.get_logger(__name__)


class _UnknownKeyError(Exception):
    """The provider's keys, as they are known, do not have that of a token."""


class _Signed(Protocol):
    def headers(self) -> Mapping[str, Any]: ...


class _Keys(Struct, frozen=True):
    keys: list[dict[str, Any]]
    read_at: float

    def find(self, token: _Signed) -> Key:
        """Return the key of a token. Raises _UnknownKeyError."""
        headers = token.headers()
        kid, algorithm = headers.get("kid"), headers.get("alg")
        found = [
            key
            for key in self.keys
            if (kid is None or key.get("kid") == kid)
            and key.get("use", "sig") == "sig"
            and key.get("alg", algorithm) == algorithm
            and key.get("kty") in ("RSA", "EC", "OKP")
        ]
        # Without an id there may be no choice.
        if len(found) != 1:
            raise _UnknownKeyError
        return import_key(found[0])


class _Metadata(Struct, frozen=True):
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    scopes: tuple[str, ...]
    client_auth: str
    names_issuer: bool
    read_at: float


class OpenIdProvider:
    """The provider at one issuer. `clock` is in seconds since any moment."""

    def __init__(
        self,
        issuer: str,
        client_id: str,
        client_secret: str,
        *,
        seconds: float = CALL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._clock = clock
        self._calls = HttpCalls("oidc", seconds=seconds, max_reply_bytes=MAX_BYTES)
        self._bulkhead = Bulkhead()
        # One request serves all that wait for a document.
        self._turn = asyncio.Lock()
        self._metadata: _Metadata | None = None
        self._keys: _Keys | None = None
        self._problem, self._failed_until = "", -math.inf

    async def log_in_url(self, *, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Return the address at which a person logs in. Raises UnavailableError."""
        metadata = await self._find_metadata()
        url: str = prepare_grant_uri(
            metadata.authorization_endpoint,
            self._client_id,
            "code",
            redirect_uri,
            ["openid", *metadata.scopes],
            state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        return url

    async def require_issuer(self, named: str | None) -> None:
        """Raise ForbiddenError for the answer of another provider (RFC 9207, 2.4)."""
        is_missing = named is None and (await self._find_metadata()).names_issuer
        if is_missing or named not in (None, self.issuer):
            raise ForbiddenError("the answer is of another identity provider than this log-in; begin it again")

    async def redeem(self, code: str, *, redirect_uri: str, verifier: str, nonce: str) -> Mapping[str, Any]:
        """Return the verified claims of a code's person.

        Raises ForbiddenError for a code or token that is refused, and UnavailableError.
        """
        metadata = await self._find_metadata()
        answer = await self._exchange(metadata, code, redirect_uri, verifier)
        token, access_token = answer.get("id_token"), answer.get("access_token")
        if not isinstance(token, str):
            raise self._refuse("it has sent no ID token; let the client have the scope openid")
        try:
            read = await self._verify(metadata, token)
            claims = CodeIDToken(
                read.claims,
                read.header,
                {
                    "iss": {"essential": True, "value": self.issuer},
                    "aud": {"essential": True, "value": self._client_id},
                    "sub": {"essential": True},
                },
                {"nonce": nonce, "client_id": self._client_id, "access_token": access_token},
            )
            claims.validate(leeway=LEEWAY_SECONDS)
        except _UnknownKeyError:
            raise self._refuse("its token is signed by a key that it does not publish") from None
        except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
            # Without its text: it may quote the token.
            reason = getattr(error, "error", "") or type(error).__name__
            claim = getattr(error, "claim", None)
            raise self._refuse(f"its token is not valid ({reason}{f', {claim}' if claim else ''})") from None
        return dict(claims)

    async def close(self) -> None:
        """Close the connections."""
        await self._calls.close()

    def _refuse(self, reason: str) -> ForbiddenError:
        _log.warning("failed to verify log-in", issuer=self.issuer, reason=reason)
        return ForbiddenError(f"the answer of the identity provider is refused: {reason}. Begin the log-in again")

    async def _exchange(self, metadata: _Metadata, code: str, redirect_uri: str, verifier: str) -> Mapping[str, Any]:
        body = prepare_token_request("authorization_code", "", redirect_uri, code=code, code_verifier=verifier)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        auth = ClientAuth(self._client_id, self._client_secret, metadata.client_auth)
        url, headers, body = auth.prepare("POST", metadata.token_endpoint, headers, body)
        with self._bulkhead.call(url) as call:
            if call is None:
                raise UnavailableError("too many log-ins wait for the identity provider; try it again in a minute")
            reply = await self._calls.call("POST", url, headers=headers, content=body.encode())
            call.is_answered = isinstance(reply, HttpReply)
        if isinstance(reply, HttpReply) and reply.status == 200 and isinstance(reply.json, dict):
            return reply.json
        if isinstance(reply, HttpReply) and reply.find("error") == "invalid_grant":
            raise self._refuse("this log-in is over, or was used already")
        problem = _explain("the token endpoint", reply)
        _log.warning("failed to redeem log-in", issuer=self.issuer, problem=problem)
        raise _unavailable(problem)

    async def _verify(self, metadata: _Metadata, token: str) -> jwt.Token:
        keys = await self._find_keys(metadata, CACHED_SECONDS)
        try:
            return jwt.decode(token, keys.find, ALGORITHMS)
        except _UnknownKeyError:
            keys = await self._find_keys(metadata, ROTATION_SECONDS)
            return jwt.decode(token, keys.find, ALGORITHMS)

    async def _find_metadata(self) -> _Metadata:
        async with self._turn:
            if self._metadata is None or self._clock() - self._metadata.read_at >= CACHED_SECONDS:
                url = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
                self._metadata = self._read_metadata(await self._read_json(url, "the metadata"))
            return self._metadata

    def _read_metadata(self, found: Mapping[str, Any]) -> _Metadata:
        if found.get("issuer") != self.issuer:
            raise self._fault(f"its metadata is of the issuer {str(found.get('issuer'))[:200]}, not of {self.issuer}")
        endpoints = {name: found.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
        for name, url in endpoints.items():
            if not isinstance(url, str) or not self._is_safe(url):
                raise self._fault(f"the {name} of its metadata is not an address with https://")
        supported = found.get("scopes_supported")
        scopes = tuple(scope for scope in _WANTED_SCOPES if not isinstance(supported, list) or scope in supported)
        methods = found.get("token_endpoint_auth_methods_supported")
        takes_basic = not isinstance(methods, list) or "client_secret_basic" in methods
        return _Metadata(
            **{name: str(url) for name, url in endpoints.items()},
            # A scope that is not known may be refused.
            scopes=scopes if isinstance(supported, list) else ("profile",),
            client_auth="client_secret_basic" if takes_basic else "client_secret_post",
            names_issuer=found.get("authorization_response_iss_parameter_supported") is True,
            read_at=self._clock(),
        )

    async def _find_keys(self, metadata: _Metadata, seconds: float) -> _Keys:
        """Return the keys, read at most so long ago."""
        async with self._turn:
            if self._keys is None or self._clock() - self._keys.read_at >= seconds:
                found = await self._read_json(metadata.jwks_uri, "the keys")
                keys = found.get("keys")
                if not isinstance(keys, list):
                    raise self._fault("its jwks_uri has no keys")
                self._keys = _Keys([key for key in keys if isinstance(key, dict)], self._clock())
            return self._keys

    async def _read_json(self, url: str, what: str) -> Mapping[str, Any]:
        """Read a document of the provider, with the turn of this process."""
        if self._clock() < self._failed_until:
            raise _unavailable(self._problem)
        reply = await self._calls.call("GET", url, headers={"Accept": "application/json"})
        if isinstance(reply, HttpReply) and reply.status == 200 and isinstance(reply.json, dict):
            return reply.json
        raise self._fault(_explain(what, reply))

    def _fault(self, problem: str) -> UnavailableError:
        """Return the error of a document, which is not read again at once."""
        _log.warning("failed to read identity provider", issuer=self.issuer, problem=problem)
        self._problem, self._failed_until = problem, self._clock() + FAILED_SECONDS
        return _unavailable(problem)

    def _is_safe(self, url: str) -> bool:
        try:
            parts, own = urlsplit(url), urlsplit(self.issuer)
        except ValueError:
            return False
        is_local = is_loopback(parts.hostname or "") and is_loopback(own.hostname or "")
        return (
            bool(parts.hostname)
            and parts.username is None
            and (parts.scheme == "https" or (parts.scheme == "http" and is_local))
        )


def _explain(what: str, reply: object) -> str:
    if not isinstance(reply, HttpReply):
        return f"{what} cannot be reached ({getattr(reply, 'detail', '')})"
    if reply.status != 200:
        said = reply.find_text("error") or ""
        code = said[:64] if said.isascii() and said.isidentifier() else "no error code"
        return f"{what} answered {reply.status} ({code})"
    return f"{what} is not a JSON object of at most {MAX_BYTES // 1024} kB"


def _unavailable(problem: str) -> UnavailableError:
    return UnavailableError(
        f"the identity provider does not answer as it should: {problem}. Try it again, and tell who runs Sojourn if it "
        "stays"
    )
