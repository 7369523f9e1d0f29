"""Sessions of the console, over a real database: how they open, what they open, and how they are attacked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from structlog.testing import capture_logs

from api.session_cookie import COOKIE
from application.console_sessions import MAX_SESSIONS
from application.remembered_rows import REMEMBERED_SECONDS
from domain.access import ConsoleEdit
from tests import generated
from tests.api.fakes import ADMIN_KEY, SETTINGS, WRITE_KEY
from tests.api.live import client_of, open_live
from tests.harness import PATIENCE, looks

ORIGIN = SETTINGS.public_url
# Fewer than the connections of a process.
AT_ONCE = 6
CAPS = {"file": "c.yaml", "source": "rules: []\n"}
OTHER_PAGES = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:8081"},
    {"Origin": "https://localhost:8080"},
    {"Origin": "http://localhost:8080.evil.example"},
    {"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"},
    {"Origin": ORIGIN, "Sec-Fetch-Site": "same-site"},
    {},
]


@asynccontextmanager
async def page_of(app: FastAPI, cookie: str | None = None, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    """A page of the console, as a browser sends its requests."""
    given = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"} | headers
    if cookie is not None:
        given["Cookie"] = f"{COOKIE}={cookie}"
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://sojourn.test", headers=given
    ) as page:
        yield page


async def log_in(app: FastAPI, key: str, cookie: str | None = None) -> tuple[str, dict[str, Any]]:
    """Return the value of the cookie, and the session."""
    async with page_of(app, cookie) as page:
        answer = await page.post("/v1/session", json={"key": key})
    assert answer.status_code == 201, answer.text
    return answer.headers["set-cookie"].partition(";")[0].partition("=")[2], answer.json()


async def made(operator: httpx.AsyncClient, *scopes: str, **more: Any) -> dict[str, Any]:
    answer = await operator.post("/v1/keys", json={"name": "Ada", "scopes": scopes, **more})
    key: dict[str, Any] = answer.json()
    return key


async def status_with(app: FastAPI, cookie: str, path: str = "/v1/campaigns") -> int:
    async with page_of(app, cookie) as page:
        return (await page.get(path)).status_code


async def actions(operator: httpx.AsyncClient, target: str) -> list[str]:
    entries = (await operator.get("/v1/audit-log", params={"target": target})).json()["entries"]
    return [entry["action"] for entry in entries][::-1]


async def test_a_session_takes_the_place_of_its_key(operator: httpx.AsyncClient, live: FastAPI) -> None:
    key = await made(operator, "operate", "people", "ingest")
    async with page_of(live) as page:
        answer = await page.post("/v1/session", json={"key": key["token"]})
    [cookie] = answer.headers.get_list("set-cookie")
    value, *attributes = cookie.split("; ")
    assert value.startswith("__Host-sojourn=")
    assert {name.lower() for name in attributes} == {"httponly", "max-age=43200", "path=/", "samesite=strict", "secure"}
    assert answer.headers["cache-control"] == "no-store"
    session = answer.json()
    assert session["actor"] == {"id": key["id"], "name": "Ada"}
    assert (session["role"], session["console_edit"], session["single_sign_on"]) == ("operator", "plan", False)
    assert session["scopes"] == ["send", "read", "operate", "people"]
    async with page_of(live, value.partition("=")[2]) as page:
        again = (await page.get("/v1/session")).json()
        # The deployment's time, by which pages tell how long ago something was.
        assert datetime.fromisoformat(again.pop("at")) > datetime.fromisoformat(session.pop("at"))
        assert again == session
        assert (await page.get("/v1/campaigns")).status_code == 200
        refused = await page.get("/v1/audit-log")
        assert (refused.status_code, refused.json()["scope"]) == (403, "admin")
    assert await actions(operator, session["id"]) == ["session.create"]


@pytest.mark.parametrize(
    ("edit", "applies"), [(ConsoleEdit.OFF, False), (ConsoleEdit.PLAN, False), (ConsoleEdit.APPLY, True)]
)
async def test_the_deployment_says_what_sessions_do_with_documents(
    database_url: str, edit: ConsoleEdit, applies: bool
) -> None:
    async with open_live(database_url, console_edit=edit) as app, client_of(app, ADMIN_KEY) as operator:
        cookie, session = await log_in(app, ADMIN_KEY)
        assert ("author" in session["scopes"]) == applies
        assert session["console_edit"] == edit
        async with page_of(app, cookie) as page:
            assert (await page.post("/v1/frequency-caps/plan", json=CAPS)).status_code == 200
            answer = await page.put("/v1/frequency-caps", json=CAPS)
            assert answer.status_code == (200 if applies else 403)
            # By scope alone.
            assert (await page.post("/v1/campaigns/none/start")).status_code == 404
        assert (await operator.put("/v1/frequency-caps", json=CAPS)).status_code == 200


@pytest.mark.parametrize("key", ["ingest", "send", "stream", "people", "write", "browser", "wrong"])
async def test_keys_that_open_no_session(operator: httpx.AsyncClient, live: FastAPI, key: str) -> None:
    browser = {"name": "shop", "kind": "browser", "origins": ["https://shop.example"]}
    tokens = {"write": WRITE_KEY, "wrong": ADMIN_KEY[:-1]}
    if key == "browser":
        tokens[key] = (await operator.post("/v1/keys", json=browser)).json()["token"]
    elif key not in tokens:
        tokens[key] = (await made(operator, key))["token"]
    async with page_of(live) as page:
        answer = await page.post("/v1/session", json={"key": tokens[key]})
    assert answer.status_code == (401 if key == "wrong" else 403)
    assert "set-cookie" not in answer.headers
    assert (await operator.get("/v1/sessions")).json()["sessions"] == []


@pytest.mark.parametrize("headers", OTHER_PAGES)
async def test_pages_of_others_neither_log_in_nor_act(
    operator: httpx.AsyncClient, live: FastAPI, headers: dict[str, str]
) -> None:
    cookie, session = await log_in(live, ADMIN_KEY)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(live),
        base_url="http://sojourn.test",
        headers={**headers, "Cookie": f"{COOKIE}={cookie}"},
    ) as page:
        answers = [
            await page.post("/v1/session", json={"key": ADMIN_KEY}),
            await page.post("/v1/keys", json={"name": "mine", "scopes": ["admin"]}),
            await page.put("/v1/users/u-1/suppressions/email", json={"reason": "x"}),
            await page.delete("/v1/session"),
        ]
        assert [answer.status_code for answer in answers] == [403] * 4
        assert not any("set-cookie" in answer.headers for answer in answers)
        # A page cannot read what it was not allowed to, and a request without `Origin` is this origin's or a person's.
        assert (await page.get("/v1/campaigns")).status_code == (403 if headers else 200)
    assert (await operator.get("/v1/keys")).json()["keys"] == []
    assert [each["id"] for each in (await operator.get("/v1/sessions")).json()["sessions"]] == [session["id"]]


@pytest.mark.parametrize("origin", ["http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080"])
async def test_this_machine_has_several_names(live: FastAPI, origin: str) -> None:
    async with page_of(live, Origin=origin) as page:
        assert (await page.post("/v1/session", json={"key": ADMIN_KEY})).status_code == 201


async def test_a_console_has_an_address_of_its_own(database_url: str) -> None:
    async with open_live(database_url, console_url="https://console.example/sojourn") as app:
        async with page_of(app, Origin="https://console.example") as page:
            assert (await page.post("/v1/session", json={"key": ADMIN_KEY})).status_code == 201
        async with page_of(app) as page:
            assert (await page.post("/v1/session", json={"key": ADMIN_KEY})).status_code == 403


async def test_a_planted_session_is_not_taken_over(operator: httpx.AsyncClient, live: FastAPI) -> None:
    """Fixation: the value after a log-in is another, and the one before opens nothing any more."""
    planted, mine = await log_in(live, (await made(operator, "read"))["token"])
    cookie, theirs = await log_in(live, ADMIN_KEY, planted)
    assert (cookie != planted, theirs["id"] != mine["id"]) == (True, True)
    assert await status_with(live, planted) == 401
    assert await status_with(live, cookie, "/v1/audit-log") == 200
    made_up = "5feceb66ffc86f38_" + "0" * 64
    given, session = await log_in(live, ADMIN_KEY, made_up)
    assert given != made_up
    assert session["id"] != made_up.partition("_")[0]


async def test_what_the_database_holds_opens_nothing(live: FastAPI, database_url: str) -> None:
    cookie, session = await log_in(live, ADMIN_KEY)
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        cursor = await connection.execute("SELECT session::text, digest FROM console_sessions AS session")
        [(row, digest)] = await cursor.fetchall()
    assert cookie.partition("_")[2] not in row
    for stolen in (digest.hex(), f"{session['id']}_{digest.hex()}", f"{session['id']}_", session["id"], f"{cookie}0"):
        assert await status_with(live, stolen) == 401, stolen
    assert await status_with(live, cookie) == 200


@pytest.mark.parametrize("cookie", ["", "x", "_", "ü_x", "'--_x", "a" * 65 + "_x", "%00_x"])
async def test_what_looks_like_a_session_and_is_none(live: FastAPI, cookie: str) -> None:
    async with page_of(live) as page:
        headers = [(b"Cookie", f"{COOKIE}={cookie}".encode("latin-1"))]
        assert (await page.get("/v1/campaigns", headers=headers)).status_code == 401


async def test_log_out_and_revocation_are_heard_in_every_process(
    operator: httpx.AsyncClient, live: FastAPI, database_url: str
) -> None:
    left, session = await log_in(live, ADMIN_KEY)
    revoked, other_session = await log_in(live, ADMIN_KEY)
    async with open_live(database_url) as other:
        assert [await status_with(app, cookie) for app in (live, other) for cookie in (left, revoked)] == [200] * 4
        async with page_of(live, left) as page:
            answer = await page.delete("/v1/session")
        assert (answer.status_code, answer.headers["set-cookie"].partition(";")[0]) == (204, f'{COOKIE}=""')
        assert "Max-Age=0" in answer.headers["set-cookie"]
        ended = await operator.delete(f"/v1/sessions/{other_session['id']}")
        assert ended.json()["revoked_at"] is not None
        assert [await status_with(live, cookie) for cookie in (left, revoked)] == [401, 401]
        await asyncio.sleep(REMEMBERED_SECONDS)
        assert [await status_with(other, cookie) for cookie in (left, revoked)] == [401, 401]
    assert (await operator.delete(f"/v1/sessions/{other_session['id']}")).json() == ended.json()
    assert (await operator.delete("/v1/sessions/none")).status_code == 404
    assert await actions(operator, session["id"]) == ["session.create", "session.end"]
    assert await actions(operator, other_session["id"]) == ["session.create", "session.revoke"]


async def test_a_session_ends_with_its_key(operator: httpx.AsyncClient, live: FastAPI, database_url: str) -> None:
    revoked, expired = await made(operator, "read"), await made(operator, "read")
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    short = await made(operator, "read", expires_at=soon)
    cookies = [(await log_in(live, key["token"]))[0] for key in (revoked, expired)]
    _, session = await log_in(live, short["token"])
    assert datetime.fromisoformat(session["expires_at"]) == datetime.fromisoformat(soon)
    assert [await status_with(live, cookie) for cookie in cookies] == [200, 200]
    await operator.delete(f"/v1/keys/{revoked['id']}")
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute("UPDATE api_keys SET expires_at = now() WHERE id = %s", (expired["id"],))
    await asyncio.sleep(REMEMBERED_SECONDS)
    assert [await status_with(live, cookie) for cookie in cookies] == [401, 401]


async def test_a_session_ends_with_a_key_of_the_settings_and_with_its_time(live: FastAPI, database_url: str) -> None:
    cookie, _ = await log_in(live, ADMIN_KEY)
    async with open_live(database_url, admin_key=SecretStr(generated.LINK_SECRET)) as other:
        assert await status_with(other, cookie) == 401
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute("UPDATE console_sessions SET expires_at = now()")
    async with open_live(database_url) as other:
        assert await status_with(other, cookie) == 401


async def test_tracking_and_pages_take_no_session(operator: httpx.AsyncClient, live: FastAPI) -> None:
    key = await made(operator, "admin", "ingest")
    cookie, session = await log_in(live, key["token"])
    assert "ingest" not in session["scopes"]
    call = {"userId": "u-1", "event": "Signed Up"}
    async with page_of(live, cookie) as page:
        answers = [
            await page.post("/v1/track", json=call),
            await page.post("/v1/batch", json={"batch": [{"type": "track", **call}]}),
            await page.get("/v1/client/slots", params={"names": "hero", "user_id": "u-1"}),
            await page.get("/v1/client/messages"),
            await page.get("/sourceConfig"),
            await page.post("/v1/track", json=call, headers={"X-Write-Key": "wrong"}),
        ]
        assert [answer.status_code for answer in answers] == [401] * 6
        device = await page.put("/v1/users/u-1/devices/d-1", json={"platform": "ios", "token": "0" * 64})
        assert (device.status_code, device.json()["scope"]) == (403, "ingest")


async def test_a_key_beside_a_session_counts_alone(operator: httpx.AsyncClient, live: FastAPI) -> None:
    cookie, _ = await log_in(live, ADMIN_KEY)
    reader = (await made(operator, "read"))["token"]
    async with page_of(live, cookie) as page:
        answer = await page.get("/v1/audit-log", headers={"Authorization": f"Bearer {reader}"})
        assert answer.status_code == 403
        assert (await page.get("/v1/campaigns", headers={"Authorization": "Bearer wrong"})).status_code == 401
    async with client_of(live, ADMIN_KEY) as program:
        answer = await program.get("/v1/session")
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


async def test_a_session_has_the_rate_of_its_key(database_url: str) -> None:
    async with open_live(database_url, rate_limit=2) as app:
        cookie, _ = await log_in(app, ADMIN_KEY)
        statuses = [await status_with(app, cookie) for _ in range(4)]
        assert statuses[-1] == 429
        async with client_of(app, ADMIN_KEY) as program:
            assert (await program.get("/v1/campaigns")).status_code == 429


async def test_an_address_tries_so_many_keys_a_second(database_url: str) -> None:
    async with open_live(database_url, rate_limit_address=2) as app, page_of(app) as page:
        statuses = [(await page.post("/v1/session", json={"key": "wrong"})).status_code for _ in range(6)]
    assert (statuses[0], statuses[-1]) == (401, 429)


async def fill(database_url: str, number: int) -> None:
    """Let the admin key have so many more sessions."""
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute(
            """
            INSERT INTO console_sessions (id, digest, actor_id, actor_name, scopes, how, expires_at)
            SELECT 'x' || n, '', 'environment', 'x', '{read}', 'key', now() + interval '1 hour'
            FROM generate_series(1, %s) AS n
            """,
            (number,),
        )


async def test_log_ins_at_once_keep_the_limit(live: FastAPI, database_url: str) -> None:
    """None of them looks past the others, and each session that was opened is open."""
    await fill(database_url, MAX_SESSIONS)
    waiting = """
    SELECT count(*) FROM pg_locks JOIN pg_database AS here ON here.oid = database
    WHERE NOT granted AND datname = current_database()
    """
    async with await psycopg.AsyncConnection.connect(database_url) as holder:
        await holder.execute("LOCK TABLE console_sessions IN SHARE MODE")
        log_ins = [asyncio.create_task(log_in(live, ADMIN_KEY)) for _ in range(AT_ONCE)]
        async for is_last in looks(PATIENCE):
            [(number,)] = await (await holder.execute(waiting)).fetchall()
            if number == AT_ONCE:
                break
            assert not is_last, f"{number} of {AT_ONCE} wait"
    cookies = [cookie for cookie, _ in await asyncio.gather(*log_ins)]
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        [(number,)] = await (await connection.execute("SELECT count(*) FROM console_sessions")).fetchall()
    assert number == MAX_SESSIONS
    assert [await status_with(live, cookie) for cookie in cookies] == [200] * AT_ONCE


async def test_an_actor_has_so_many_sessions(operator: httpx.AsyncClient, live: FastAPI, database_url: str) -> None:
    first, _ = await log_in(live, ADMIN_KEY)
    await fill(database_url, MAX_SESSIONS - 1)
    cookie, _ = await log_in(live, ADMIN_KEY)
    await asyncio.sleep(REMEMBERED_SECONDS)
    assert [await status_with(live, each) for each in (first, cookie)] == [401, 200]
    seen: list[str] = []
    after: str | None = None
    while True:
        page = (await operator.get("/v1/sessions", params={"limit": 40, **({"after": after} if after else {})})).json()
        seen += [session["id"] for session in page["sessions"]]
        after = page["next"]
        if after is None:
            break
    assert (len(seen), len(set(seen)), seen[0]) == (MAX_SESSIONS, MAX_SESSIONS, cookie.partition("_")[0])


async def test_the_log_names_no_session(live: FastAPI) -> None:
    with capture_logs() as logs:
        cookie, _ = await log_in(live, ADMIN_KEY)
        await status_with(live, cookie)
    assert cookie.partition("_")[2] not in str(logs)
    assert ADMIN_KEY not in str(logs)
