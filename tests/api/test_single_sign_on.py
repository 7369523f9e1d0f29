"""Log-ins by a real identity provider: how they open a session, and how each part of an answer is attacked."""

import base64
import hmac
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest
from authlib.oidc.core.util import create_half_hash
from fastapi import FastAPI
from joserfc.jwk import RSAKey
from pydantic import SecretStr
from starlette.responses import JSONResponse, Response
from structlog.testing import capture_logs

from api.console_oidc import ATTEMPT_COOKIE
from api.session_cookie import COOKIE
from domain.access import ConsoleEdit, Role
from tests.api.fakes import ADMIN_KEY, SETTINGS
from tests.api.issuer import ADA, CLIENT_ID, CLIENT_SECRET, KEY, Issuer, lead_elsewhere, open_issuer, sign
from tests.api.live import client_of, open_live

OIDC = "/v1/session/oidc"
CALLBACK = f"{OIDC}/callback"
ROLES = {"journey-admins": Role.ADMIN, "ops": Role.OPERATOR, "approvers": Role.APPROVER}
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "first"})


class Browser:
    """A browser: its cookies, and those that it leaves out where another site leads here."""

    def __init__(self, app: FastAPI) -> None:
        self.cookies: dict[str, str] = {}
        self._app = app

    async def open(self, address: str, *, by: str = "same-origin", method: str = "GET", **more: Any) -> httpx.Response:
        sent = {name: value for name, value in self.cookies.items() if by == "same-origin" or name != COOKIE}
        headers = {
            "Cookie": "; ".join(f"{name}={value}" for name, value in sent.items()),
            "Sec-Fetch-Site": by,
            **({"Origin": SETTINGS.public_url} if method != "GET" else {}),
        }
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(self._app), base_url="http://sojourn.test", headers=headers
        ) as client:
            answer = await client.request(method, address, **more)
        for cookie in answer.headers.get_list("set-cookie"):
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value.strip('"')
            if not self.cookies[name]:
                del self.cookies[name]
        return answer

    async def begin(self, return_to: str = "/console") -> dict[str, str]:
        """Begin a log-in; return what the provider is asked."""
        answer = await self.open(f"{OIDC}?{urlencode({'return_to': return_to})}")
        assert answer.status_code == 303, answer.text
        return dict(parse_qsl(urlsplit(answer.headers["location"]).query))

    async def finish(self, parameters: dict[str, str]) -> httpx.Response:
        return await self.open(f"{CALLBACK}?{urlencode(parameters)}", by="cross-site")

    async def log_in(self, issuer: Issuer, return_to: str = "/console") -> httpx.Response:
        return await self.finish(issuer.let_in(await self.begin(return_to)))

    async def session(self) -> dict[str, Any]:
        answer = await self.open("/v1/session")
        assert answer.status_code == 200, answer.text
        session: dict[str, Any] = answer.json()
        return session


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with open_issuer() as issuer:
        yield issuer


@asynccontextmanager
async def open_with(database_url: str, issuer: Issuer, **settings: Any) -> AsyncIterator[FastAPI]:
    given = {
        "oidc_issuer": issuer.url,
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret": SecretStr(CLIENT_SECRET),
        "oidc_roles": ROLES,
        **settings,
    }
    async with open_live(database_url, **given) as app:
        yield app


@pytest.fixture
async def console(database_url: str, issuer: Issuer) -> AsyncIterator[FastAPI]:
    async with open_with(database_url, issuer) as app:
        yield app


async def list_sessions(app: FastAPI) -> list[dict[str, Any]]:
    async with client_of(app, ADMIN_KEY) as operator:
        sessions: list[dict[str, Any]] = (await operator.get("/v1/sessions")).json()["sessions"]
    return sessions


def assert_page(answer: httpx.Response, status: int, *told: str) -> None:
    """A page for a person, with what is wrong and the way on, and without a session."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert f'href="{OIDC}"' in answer.text
    for text in told:
        assert text in answer.text
    assert not any(cookie.startswith(f"{COOKIE}=") for cookie in answer.headers.get_list("set-cookie"))


async def test_a_person_logs_in_at_the_provider(console: FastAPI, issuer: Issuer) -> None:
    browser = Browser(console)
    assert (await browser.open("/v1/session/options")).json() == {"single_sign_on": True}
    begun = await browser.open(f"{OIDC}?return_to=/console/people%3Fq%3Dx")
    [cookie] = begun.headers.get_list("set-cookie")
    attributes = {part.lower() for part in cookie.split("; ")[1:]}
    assert attributes == {"httponly", "max-age=600", "path=/", "samesite=lax", "secure"}
    assert (begun.status_code, begun.headers["cache-control"]) == (303, "no-store")
    asked = dict(parse_qsl(urlsplit(begun.headers["location"]).query))
    assert begun.headers["location"].startswith(f"{issuer.url}/log-in?")
    assert (asked["response_type"], asked["client_id"], asked["scope"]) == ("code", CLIENT_ID, "openid profile groups")
    assert (asked["code_challenge_method"], asked["redirect_uri"]) == ("S256", f"{SETTINGS.public_url}{CALLBACK}")
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3

    answer = await browser.finish(issuer.let_in(asked))
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/people?q=x")
    session_cookie, ended = answer.headers.get_list("set-cookie")
    assert "SameSite=strict" in session_cookie
    assert (ended.startswith(f'{ATTEMPT_COOKIE}=""'), "Max-Age=0" in ended) == (True, True)
    session = await browser.session()
    assert (session["actor"]["name"], session["role"], session["single_sign_on"]) == ("Ada Lovelace", "admin", True)
    [listed] = await list_sessions(console)
    assert (listed["id"], listed["how"], listed["key_id"]) == (session["id"], "oidc", None)
    async with client_of(console, ADMIN_KEY) as operator:
        entries = (await operator.get("/v1/audit-log", params={"target": session["id"]})).json()["entries"]
    assert [(entry["action"], entry["data"]["how"]) for entry in entries] == [("session.create", "oidc")]
    assert (await browser.open("/v1/session", method="DELETE")).status_code == 204
    assert (await browser.open("/v1/session")).status_code == 401


async def test_a_subject_is_one_actor_for_ever(console: FastAPI, issuer: Issuer) -> None:
    actors = []
    for changes in ({}, {"name": "Ada Byron", "email": "x@example.com"}, {"sub": "ada-2"}):
        issuer.changes = changes
        browser = Browser(console)
        await browser.log_in(issuer)
        actors.append((await browser.session())["actor"])
    assert actors[0]["id"] == actors[1]["id"] != actors[2]["id"]
    assert [actor["name"] for actor in actors] == ["Ada Lovelace", "Ada Byron", "Ada Lovelace"]
    # A digest shows nothing of the subject.
    assert all(re.fullmatch("oidc_[0-9a-f]{32}", actor["id"]) for actor in actors)


@pytest.mark.parametrize(
    ("groups", "role", "scopes"),
    [
        ("ops", "operator", {"read", "author", "send", "operate", "people"}),
        (["ops", "journey-admins", "staff", 7], "admin", None),
        (["ops", "approvers"], None, {"read", "author", "send", "operate", "people", "approve"}),
    ],
)
async def test_groups_have_roles(
    database_url: str, issuer: Issuer, groups: object, role: str | None, scopes: set[str] | None
) -> None:
    issuer.person = {"sub": "1", "email": "ada@example.com", "teams": groups}
    async with open_with(database_url, issuer, oidc_groups_claim="teams", console_edit=ConsoleEdit.APPLY) as app:
        browser = Browser(app)
        await browser.log_in(issuer)
        session = await browser.session()
    assert (session["role"], session["actor"]["name"]) == (role, "ada@example.com")
    assert scopes is None or set(session["scopes"]) == scopes


@pytest.mark.parametrize("groups", [None, [], "admin", ["journey-admins "], [["journey-admins"]], {"ops": True}, 1])
async def test_a_person_without_a_group_gets_a_page(console: FastAPI, issuer: Issuer, groups: object) -> None:
    issuer.changes = {"groups": groups}
    assert_page(await Browser(console).log_in(issuer), 403, "SOJOURN_OIDC_ROLES", "claim groups")
    assert await list_sessions(console) == []


async def test_a_log_in_ends_the_session_that_the_browser_had(console: FastAPI, issuer: Issuer) -> None:
    """Fixation: also that of a key, whose cookie does not come with the provider's answer."""
    browser = Browser(console)
    await browser.open("/v1/session", method="POST", json={"key": ADMIN_KEY})
    planted = browser.cookies[COOKIE]
    await browser.log_in(issuer)
    assert browser.cookies[COOKIE] != planted
    assert (await browser.session())["actor"]["name"] == ADA["name"]
    other = Browser(console)
    other.cookies[COOKIE] = planted
    assert (await other.open("/v1/session")).status_code == 401
    assert [session["revoked_at"] is None for session in await list_sessions(console)] == [True, False]


@pytest.mark.parametrize(
    "return_to", ["https://evil.example", "//evil.example/console", "/console/../v1/x", "/console\\evil", "/v1/session"]
)
async def test_a_log_in_leads_to_the_console_alone(console: FastAPI, issuer: Issuer, return_to: str) -> None:
    browser = Browser(console)
    assert (await browser.log_in(issuer, return_to)).headers["location"] == "/console"
    # The cookie is not signed.
    answer = issuer.let_in(await browser.begin())
    kept = json.loads(base64.urlsafe_b64decode(browser.cookies[ATTEMPT_COOKIE] + "=="))
    forged = json.dumps({**kept, "return_to": return_to}).encode()
    browser.cookies[ATTEMPT_COOKIE] = base64.urlsafe_b64encode(forged).decode().rstrip("=")
    assert (await browser.finish(answer)).headers["location"] == "/console"


@pytest.mark.parametrize(
    ("changed", "status", "told"),
    [
        ({"state": None}, 400, "not begun in this browser"),
        ({"state": "x"}, 400, "not begun in this browser"),
        ({"state": "ü"}, 400, "not begun in this browser"),
        ({"iss": "https://other.example"}, 403, "another identity provider"),
        ({"iss": None}, 403, "another identity provider"),
        ({"code": None}, 400, "has no code"),
        ({"code": "made-up"}, 403, "is over, or was used already"),
        ({"code": None, "error": "access_denied"}, 403, "has refused the log-in: access_denied"),
        ({"error": "<script>call 555-1234</script>"}, 403, "has refused the log-in: no known code"),
        ({"error": "access_denied", "iss": "https://other.example"}, 403, "another identity provider"),
        ({"error": "access_denied", "state": "x"}, 400, "not begun in this browser"),
    ],
)
async def test_answers_that_are_refused(
    console: FastAPI, issuer: Issuer, changed: dict[str, str | None], status: int, told: str
) -> None:
    browser = Browser(console)
    answer = {**issuer.let_in(await browser.begin()), **changed}
    given = {name: value for name, value in answer.items() if value is not None}
    assert_page(await browser.finish(given), status, told)
    assert ATTEMPT_COOKIE not in browser.cookies
    assert await list_sessions(console) == []


@pytest.mark.parametrize("cookie", [None, "", "x", "%%%", "e30", "W10", "bnVsbA", "A" * 3_000])
async def test_an_answer_is_for_the_browser_that_has_asked(
    console: FastAPI, issuer: Issuer, cookie: str | None
) -> None:
    browser = Browser(console)
    answer = issuer.let_in(await browser.begin())
    del browser.cookies[ATTEMPT_COOKIE]
    if cookie is not None:
        browser.cookies[ATTEMPT_COOKIE] = cookie
    assert_page(await browser.finish(answer), 400, "not begun in this browser")
    assert issuer.asked["/token"] == 0


async def test_an_answer_counts_once(console: FastAPI, issuer: Issuer) -> None:
    browser = Browser(console)
    answer = issuer.let_in(await browser.begin())
    kept = browser.cookies[ATTEMPT_COOKIE]
    assert (await browser.finish(answer)).status_code == 303
    assert_page(await browser.finish(answer), 400, "not begun in this browser")
    browser.cookies[ATTEMPT_COOKIE] = kept
    assert_page(await browser.finish(answer), 403, "was used already")
    # A code is bound to the browser that has begun: another one has another verifier, and another nonce.
    other = Browser(console)
    stolen = issuer.let_in(await browser.begin())["code"]
    mine = await other.begin()
    assert_page(await other.finish({"code": stolen, "state": mine["state"], "iss": issuer.url}), 403, "is over")
    assert len(await list_sessions(console)) == 1


def encode(*parts: object) -> str:
    texts = (json.dumps(part).encode() for part in parts)
    return ".".join(base64.urlsafe_b64encode(text).decode().rstrip("=") for text in texts)


def unsigned(claims: dict[str, Any]) -> str:
    return encode({"alg": "none", "typ": "JWT"}, claims) + "."


def by_secret(secret: bytes) -> Callable[[dict[str, Any]], str]:
    """Sign as libraries refuse to."""

    def sign(claims: dict[str, Any]) -> str:
        signed = encode({"alg": "HS256", "kid": "first"}, claims)
        signature = hmac.digest(secret, signed.encode(), "sha256")
        return f"{signed}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"

    return sign


def with_other_signature(claims: dict[str, Any]) -> str:
    return sign(claims).rpartition(".")[0] + "." + sign({**claims, "sub": "x"}).rpartition(".")[2]


FORGERIES: dict[str, dict[str, Any] | Callable[[dict[str, Any]], str]] = {
    "another nonce": {"nonce": "x"},
    "no nonce": {"nonce": None},
    "another audience": {"aud": "other"},
    "two audiences, of which we may be the lesser": {"aud": [CLIENT_ID, "other"]},
    "another authorized party": {"azp": "other"},
    "no audience": {"aud": None},
    "another issuer": {"iss": "https://other.example"},
    "no issuer": {"iss": None},
    "expired": {"exp": lambda now: now - 3_600},
    "no expiry": {"exp": None},
    "an expiry of words": {"exp": "tomorrow"},
    "of the future": {"iat": lambda now: now + 3_600},
    "no instant": {"iat": None},
    "not before tomorrow": {"nbf": lambda now: now + 86_400},
    "no subject": {"sub": None},
    "an empty subject": {"sub": ""},
    "a subject that is no text": {"sub": 7},
    "another access token": {"at_hash": create_half_hash("another", "RS256").decode()},
    "unsigned": unsigned,
    "by the public key as a secret": by_secret(KEY.as_pem(private=False)),
    "by the client's secret": by_secret(CLIENT_SECRET.encode()),
    "by another key of this id": lambda claims: sign(claims, OTHER_KEY),
    "by a key that is not published": lambda claims: sign(claims, OTHER_KEY, kid="x"),
    "by the key that it brings": lambda claims: sign(claims, OTHER_KEY, jwk=OTHER_KEY.as_dict(private=False)),
    "with the signature of another": with_other_signature,
    "no token": lambda _: "x",
    "an empty one": lambda _: "..",
    "a deep one": lambda _: base64.urlsafe_b64encode(b"[" * 20_000).decode() + ".e30.x",
}


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_tokens_that_are_refused(console: FastAPI, issuer: Issuer, forgery: str) -> None:
    change = FORGERIES[forgery]
    if isinstance(change, dict):
        issuer.changes = change
    else:
        issuer.sign = change
    with capture_logs() as logs:
        assert_page(await Browser(console).log_in(issuer), 403, "The answer of the identity provider is refused")
    assert await list_sessions(console) == []
    [refused] = [entry for entry in logs if entry["event"] == "failed to verify log-in"]
    assert not any(text in str(logs) for text in (*issuer.tokens, "Ada", "ada-1", CLIENT_SECRET))
    assert refused["issuer"] == issuer.url


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": [CLIENT_ID]},
        {"aud": [CLIENT_ID, "other"], "azp": CLIENT_ID},
        {"exp": lambda now: now - 5, "iat": lambda now: now + 5},
        {"at_hash": create_half_hash("for-nothing", "RS256").decode()},
    ],
)
async def test_tokens_that_are_right(console: FastAPI, issuer: Issuer, changes: dict[str, Any]) -> None:
    issuer.changes = changes
    assert (await Browser(console).log_in(issuer)).status_code == 303


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (lead_elsewhere(), "answered 302"),
        (JSONResponse({"error": "invalid_client"}, 401), "answered 401 (invalid_client)"),
        (JSONResponse({"error": "<b>"}, 500), "answered 500 (no error code)"),
        (JSONResponse({"id_token": "x" * 300_000}), "at most 256 kB"),
        (Response("<html>"), "is not a JSON object"),
    ],
)
async def test_a_token_endpoint_that_gives_no_token(
    console: FastAPI, issuer: Issuer, reply: Response, told: str
) -> None:
    issuer.replies["/token"] = reply
    assert_page(await Browser(console).log_in(issuer), 503, told)
    issuer.replies["/token"] = JSONResponse({"access_token": "x"})
    assert_page(await Browser(console).log_in(issuer), 403, "no ID token")


async def test_a_provider_that_is_away_gets_a_page(console: FastAPI, issuer: Issuer) -> None:
    issuer.replies["/.well-known/openid-configuration"] = Response(status_code=500)
    assert_page(await Browser(console).open(OIDC), 503, "the metadata answered 500")


async def test_without_a_provider_there_is_no_log_in(live: FastAPI) -> None:
    browser = Browser(live)
    assert (await browser.open("/v1/session/options")).json() == {"single_sign_on": False}
    for address in (OIDC, f"{CALLBACK}?code=x&state=y"):
        assert_page(await browser.open(address), 404, "SOJOURN_OIDC_ISSUER")


async def test_an_address_begins_so_many_log_ins_a_second(database_url: str, issuer: Issuer) -> None:
    async with open_with(database_url, issuer, rate_limit_address=2) as app:
        statuses = [(await Browser(app).open(path)).status_code for path in (OIDC, CALLBACK) * 3]
    assert (statuses[0], statuses[-1]) == (303, 429)
