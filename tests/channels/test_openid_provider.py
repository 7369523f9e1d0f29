"""The documents of an identity provider: how often they are read, how keys are replaced, and which are refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey
from starlette.responses import JSONResponse, PlainTextResponse, Response

from channels.openid_provider import CACHED_SECONDS, FAILED_SECONDS, ROTATION_SECONDS, OpenIdProvider
from domain.errors import ForbiddenError, UnavailableError
from tests.api.issuer import CLIENT_ID, CLIENT_SECRET, KEY, Issuer, lead_elsewhere, open_issuer, sign

METADATA, KEYS = "/.well-known/openid-configuration", "/keys"
BACK = "https://console.example/v1/session/oidc/callback"
NEW_KEY = RSAKey.generate_key(2048, {"kid": "second"})


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with open_issuer() as issuer:
        yield issuer


@asynccontextmanager
async def provider_of(issuer: Issuer, clock: Clock, **settings: Any) -> AsyncIterator[OpenIdProvider]:
    provider = OpenIdProvider(issuer.url, CLIENT_ID, CLIENT_SECRET, clock=clock, **settings)
    try:
        yield provider
    finally:
        await provider.close()


@pytest.fixture
async def provider(issuer: Issuer, clock: Clock) -> AsyncIterator[OpenIdProvider]:
    async with provider_of(issuer, clock) as provider:
        yield provider


async def ask(provider: OpenIdProvider) -> dict[str, str]:
    url = await provider.log_in_url(redirect_uri=BACK, state="s", nonce="n", verifier="v" * 43)
    return dict(parse_qsl(urlsplit(url).query))


async def log_in(provider: OpenIdProvider, issuer: Issuer) -> Any:
    code = issuer.let_in(await ask(provider))["code"]
    return await provider.redeem(code, redirect_uri=BACK, verifier="v" * 43, nonce="n")


async def test_documents_are_read_once_an_hour(provider: OpenIdProvider, issuer: Issuer, clock: Clock) -> None:
    await asyncio.gather(*(log_in(provider, issuer) for _ in range(10)))
    assert (issuer.asked[METADATA], issuer.asked[KEYS]) == (1, 1)
    clock.now += CACHED_SECONDS - 1
    await log_in(provider, issuer)
    assert (issuer.asked[METADATA], issuer.asked[KEYS]) == (1, 1)
    clock.now += 1
    await log_in(provider, issuer)
    assert (issuer.asked[METADATA], issuer.asked[KEYS]) == (2, 2)


async def test_a_new_key_is_found_at_once_and_a_withdrawn_one_not_for_long(
    provider: OpenIdProvider, issuer: Issuer, clock: Clock
) -> None:
    await log_in(provider, issuer)
    clock.now += ROTATION_SECONDS
    issuer.keys, issuer.sign = [NEW_KEY.as_dict(private=False)], lambda claims: sign(claims, NEW_KEY)
    await log_in(provider, issuer)
    assert issuer.asked[KEYS] == 2
    issuer.sign = sign
    with pytest.raises(ForbiddenError, match="does not publish"):
        await log_in(provider, issuer)


async def test_unknown_keys_are_looked_for_once_a_minute(
    provider: OpenIdProvider, issuer: Issuer, clock: Clock
) -> None:
    issuer.sign = lambda claims: sign(claims, NEW_KEY)
    for _ in range(5):
        with pytest.raises(ForbiddenError, match="does not publish"):
            await log_in(provider, issuer)
    assert issuer.asked[KEYS] == 1
    clock.now += ROTATION_SECONDS
    for _ in range(5):
        with pytest.raises(ForbiddenError, match="does not publish"):
            await log_in(provider, issuer)
    assert issuer.asked[KEYS] == 2


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (ECKey.generate_key("P-256", {"kid": "first"}), "ES256"),
        (OKPKey.generate_key("Ed25519", {"kid": "first"}), "Ed25519"),
        (RSAKey.generate_key(2048), "PS256"),
    ],
)
async def test_kinds_of_keys(provider: OpenIdProvider, issuer: Issuer, key: Any, algorithm: str) -> None:
    for_encryption = {**KEY.as_dict(private=False), "kid": key.kid, "use": "enc"}
    issuer.keys = [{"kty": "oct", "kid": key.kid, "k": "AAAA"}, for_encryption, "x", key.as_dict(private=False)]
    issuer.sign = lambda claims: sign(claims, key, alg=algorithm)
    assert (await log_in(provider, issuer))["sub"] == "ada-1"


async def test_a_token_without_a_key_id_leaves_no_choice(provider: OpenIdProvider, issuer: Issuer) -> None:
    issuer.keys.append(NEW_KEY.as_dict(private=False))
    issuer.sign = lambda claims: sign(claims, kid=None)
    with pytest.raises(ForbiddenError, match="does not publish"):
        await log_in(provider, issuer)


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (lead_elsewhere(), "answered 302"),
        (Response(status_code=404), "answered 404"),
        (PlainTextResponse("<html>"), "is not a JSON object"),
        (JSONResponse([]), "is not a JSON object"),
        (JSONResponse({"keys": ["x" * 300_000]}), "at most 256 kB"),
    ],
)
@pytest.mark.parametrize("path", [METADATA, KEYS])
async def test_documents_that_are_refused(
    provider: OpenIdProvider, issuer: Issuer, clock: Clock, path: str, reply: Response, told: str
) -> None:
    issuer.replies[path] = reply
    for _ in range(3):
        with pytest.raises(UnavailableError, match=told):
            await log_in(provider, issuer)
    assert issuer.asked[path] == 1
    del issuer.replies[path]
    clock.now += FAILED_SECONDS
    assert (await log_in(provider, issuer))["sub"] == "ada-1"


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://other.example"},
        {"issuer": None},
        {"token_endpoint": "http://accounts.example/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "//evil.example"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "https://user@accounts.example/keys"},
        {"jwks_uri": "http://[/"},
        {"jwks_uri": None},
    ],
)
async def test_metadata_that_is_refused(provider: OpenIdProvider, issuer: Issuer, metadata: dict[str, Any]) -> None:
    issuer.metadata = metadata
    with pytest.raises(UnavailableError, match="metadata"):
        await ask(provider)


async def test_only_a_provider_of_this_machine_may_do_without_tls(clock: Clock) -> None:
    """One that is reached by HTTPS cannot send the client's secret to a port of this machine."""
    provider = OpenIdProvider("https://accounts.example", CLIENT_ID, CLIENT_SECRET, clock=clock)
    found = {"issuer": "https://accounts.example", "jwks_uri": "https://keys.example/keys"}
    ends = {"authorization_endpoint": "https://accounts.example/in", "token_endpoint": "http://127.0.0.1:5432"}
    with pytest.raises(UnavailableError, match="token_endpoint"):
        provider._read_metadata(found | ends)
    read = provider._read_metadata(found | ends | {"token_endpoint": "https://accounts.example/token"})
    assert (read.scopes, read.client_auth, read.names_issuer) == (("profile",), "client_secret_basic", False)


async def test_a_slow_provider_holds_nobody_for_long(issuer: Issuer, clock: Clock) -> None:
    issuer.seconds = 30.0
    async with provider_of(issuer, clock, seconds=0.2) as provider, asyncio.timeout(5):
        answers = await asyncio.gather(*(ask(provider) for _ in range(50)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {UnavailableError}
    assert issuer.asked[METADATA] == 1


async def test_a_client_may_send_its_secret_in_the_body(provider: OpenIdProvider, issuer: Issuer) -> None:
    issuer.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert (await log_in(provider, issuer))["sub"] == "ada-1"
