"""An identity provider of the tests' own, over real connections, which answers as it is told."""

import asyncio
import base64
import hashlib
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from html import escape
from typing import Any, Final
from urllib.parse import parse_qs, urlencode

from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.api.inboxes import serve

CLIENT_ID: Final = "sojourn"
CLIENT_SECRET: Final = "secret-of-the-client"
KEY: Final = RSAKey.generate_key(2048, {"kid": "first", "use": "sig", "alg": "RS256"})
ADA: Final = {"sub": "ada-1", "name": "Ada Lovelace", "groups": ["journey-admins"]}

Sign = Callable[[dict[str, Any]], str]


def sign(claims: dict[str, Any], key: Any = KEY, **header: Any) -> str:
    """Sign a token; a header of None is left out."""
    headers = {"alg": "RS256", "kid": key.kid, **header}
    given = {name: value for name, value in headers.items() if value is not None}
    return jwt.encode(given, claims, key, [given["alg"]])


class Issuer:
    """A provider. `person` has the claims of who logs in, `changes` what is wrong with them.

    A claim of None is left out; one of the instant is a function of it.
    """

    def __init__(self) -> None:
        self.url = ""
        self.person: dict[str, Any] = dict(ADA)
        self.changes: dict[str, Any] = {}
        self.sign: Sign = sign
        self.keys: Any = [KEY.as_dict(private=False)]
        self.metadata: dict[str, Any] = {}
        self.replies: dict[str, Response] = {}
        self.seconds = 0.0
        self.asked: Counter[str] = Counter()
        self.tokens: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}
        self.app = Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._describe),
                Route("/keys", self._publish),
                Route("/log-in", self._log_in),
                Route("/token", self._redeem, methods=["POST"]),
            ]
        )

    def let_in(self, asked: dict[str, str]) -> dict[str, str]:
        """Return the parameters of an answer to the address of a log-in."""
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        return {"code": code, "state": asked["state"], "iss": self.url}

    async def _describe(self, request: Request) -> Response:
        return await self._answer(
            request,
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/log-in",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
                "scopes_supported": ["openid", "profile", "groups"],
                "authorization_response_iss_parameter_supported": True,
                **self.metadata,
            },
        )

    async def _publish(self, request: Request) -> Response:
        return await self._answer(request, {"keys": self.keys})

    async def _log_in(self, request: Request) -> Response:
        """A page with a button, as a provider's; the button leads back."""
        asked = dict(request.query_params)
        back = f"{asked['redirect_uri']}?{urlencode(self.let_in(asked))}"
        return HTMLResponse(f'<!doctype html><title>Log in</title><a id="log-in" href="{escape(back)}">I am Ada</a>')

    async def _redeem(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        in_body = "client_secret_post" in self.metadata.get("token_endpoint_auth_methods_supported", ())
        given, wanted = request.headers.get("authorization"), f"Basic {basic}"
        if in_body:
            given, wanted = form.get("client_secret"), CLIENT_SECRET
        if given != wanted:
            return JSONResponse({"error": "invalid_client"}, 401)
        asked = self._codes.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            asked is None
            or (asked["code_challenge"], asked["code_challenge_method"]) != (challenge, "S256")
            or asked["redirect_uri"] != form["redirect_uri"]
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            **self.person,
            **self.changes,
        }
        sent = {name: value(now) if callable(value) else value for name, value in claims.items()}
        token = self.sign({name: value for name, value in sent.items() if value is not None})
        self.tokens.append(token)
        return await self._answer(request, {"id_token": token, "access_token": "for-nothing", "token_type": "Bearer"})

    async def _answer(self, request: Request, body: dict[str, Any]) -> Response:
        path = request.url.path
        self.asked[path] += 1
        await asyncio.sleep(self.seconds)
        return self.replies.get(path) or JSONResponse(body)


@asynccontextmanager
async def open_issuer() -> AsyncIterator[Issuer]:
    issuer = Issuer()
    async with serve(issuer.app) as served:
        issuer.url = served.url
        yield issuer


def lead_elsewhere() -> Response:
    return RedirectResponse("http://127.0.0.1:9/keys", 302)
