"""Someone who holds only a browser key reads nothing, writes to nobody of their choice, and changes no other person."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from store.events import CLAIMED_ID
from tests.api.fakes import WRITE_KEY
from tests.api.live import client_of, open_live
from tests.api.shop import SHOP, Shop, open_shop, token
from tests.proofs import rounds

KINDS = ("track", "identify", "page", "screen", "group", "alias")


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[Shop]:
    async with open_shop(database_url) as shop:
        yield shop


LOADED: dict[str, Any] = {
    "event": "Order Completed",
    "name": "Pricing",
    "groupId": "g-1",
    "previousId": "u-victim",
    "properties": {"email": "evil@evil.example", "contact": "evil@evil.example", "message_id": "m-1"},
    "traits": {
        "email": "evil@evil.example",
        "phone": "+1 555 0100",
        "plan": "evil",
        "timezone": "Asia/Tokyo",
        "consent": {"email": False, "sms": True},
        "__proto__": {"plan": "evil"},
        "constructor": {"prototype": {"plan": "evil"}},
    },
    "context": {
        "locale": "ja-JP",
        "timezone": "Asia/Tokyo",
        "traits": {"email": "evil@evil.example", "plan": "evil", "consent": {"email": False}},
        "externalIds": [{"id": "u-victim", "type": "user_id", "collection": "users", "encoding": "none"}],
        "device": {"id": "d-1", "token": "push-evil"},
        "sojourn": {"campaign": "welcome", "journey_id": "x", "by": "admin"},
        "active": True,
    },
    "integrations": {"All": True, "Sojourn": {"userId": "u-victim"}},
}


async def test_no_call_of_a_browser_key_reaches_another_person(shop: Shop) -> None:
    """Every call, with each way to name a person and each kind of token."""
    before = await shop.victim()
    secret, foreign = shop.key["token_secret"], shop.other["token_secret"]
    none = ".".join(
        [*token(secret, "u-victim").split(".")[:0], "eyJhbGciOiJub25lIn0", token(secret, "u-victim").split(".")[1], ""]
    )
    people: list[dict[str, Any]] = [
        {"userId": "u-victim"},
        {"userId": "u-victim", "anonymousId": "a-evil"},
        {"anonymousId": "a-victim"},
        {"userId": "u-attacker", "anonymousId": "a-victim"},
        {"userId": "u-victim", "anonymousId": "a-victim", "integrations": {"Sojourn": False}},
    ]
    tokens: dict[str, str | None] = {
        "none": None,
        "of another key": token(foreign, "u-victim"),
        "expired": token(secret, "u-victim", exp=time.time() - 1),
        "too long": token(secret, "u-victim", exp=time.time() + 100_000),
        "unsigned": none,
        "other algorithm": token(secret, "u-victim", "HS512"),
        "for another audience": token(secret, "u-victim", aud="evil"),
        "of the attacker": token(secret),
        "no token at all": "evil",
    }
    calls = [
        {
            "type": kind,
            **LOADED,
            **person,
            "messageId": f"{kind}-{number}-{name}",
            "context": {**LOADED["context"], **carried},
        }
        for name, one in tokens.items()
        for carried in ([{"userToken": one}] if one else [{}])
        for number, person in enumerate(people)
        for kind in KINDS
    ]
    for call in calls:
        if "none" in call["messageId"] or "of the attacker" in call["messageId"]:
            answer = await shop.report(call["type"], call)
            assert answer.status_code in (200, 400), (call, answer.text)
    for name, one in tokens.items():
        headers = {"Authorization": f"Bearer {one}"} if one and "." in one else {}
        of_token = [call for call in calls if call["messageId"].endswith(f"-{name}")]
        assert (
            await shop.report("batch", {"batch": of_token, "context": LOADED["context"]}, headers=headers)
        ).is_success
        # The token stands in two places, and the two disagree.
        two = {"batch": of_token, "context": {"userToken": token(secret)}}
        assert (await shop.report("batch", two, headers=headers)).is_success
    for raw in (
        b'{"event":"Order Completed","userId":"u-attacker","userId":"u-victim","anonymousId":"a-evil"}',
        b'{"event":"Order Completed","anonymousId":"a-evil","anonymousId":"a-victim"}',
        b'{"event":"Signed Up","anonymousId":"a-evil","context":{"userToken":"x"},"userId":"u-victim",'
        b'"context":{"userToken":"%b"}}' % token(foreign, "u-victim").encode(),
    ):
        assert (await shop.report("track", raw)).is_success
    assert await shop.victim() == before
    told = await shop.query("SELECT count(*) AS number FROM events WHERE trust = 'unverified'")
    assert told[0]["number"] > 50
    # A token vouches for the attacker's own user, who may have any address; nobody else has one of theirs.
    kept = await shop.query(
        "SELECT row::text FROM (SELECT to_jsonb(e) - 'properties' AS row FROM events AS e WHERE trust <> 'verified'"
        " UNION ALL SELECT to_jsonb(p) - 'claims' FROM profiles AS p WHERE user_id IS DISTINCT FROM 'u-attacker'"
        ") AS x WHERE row::text LIKE '%%evil@evil%%' OR row::text LIKE '%%push-evil%%'"
    )
    assert kept == []
    secrets = await shop.query(
        "SELECT 1 FROM (SELECT events::text AS t FROM events UNION ALL SELECT rejects::text FROM rejects) AS x"
        " WHERE t LIKE '%%eyJ%%'"
    )
    assert secrets == []


async def test_an_anonymous_id_takes_no_change_that_is_meant_for_a_user(shop: Shop) -> None:
    """An address given to a user to come would get the messages of the visitor who took the id."""
    taken = {"anonymousId": "u-new", "event": "Signed Up", "properties": {"contact": "evil@evil.example"}}
    assert (await shop.report("track", taken)).is_success
    before = await shop.query("SELECT id, traits, addresses, suppressed FROM profiles WHERE user_id IS NULL")
    change = {"traits": {"email": "new@example.com"}, "suppressed": {"email": "asked"}}
    suppression = {"reason": "asked"}
    for method, path, body in (
        ("PATCH", "/v1/users/u-new", change),
        ("PUT", "/v1/users/u-new/suppressions/email", suppression),
        ("DELETE", "/v1/users/u-new/suppressions/email", None),
        ("DELETE", "/v1/users/u-new", None),
    ):
        answer = await shop.operator.request(method, path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), (method, path)
    assert await shop.query("SELECT id, traits, addresses, suppressed FROM profiles WHERE user_id IS NULL") == before
    named = {"kind": "anonymous"}
    assert (await shop.operator.patch("/v1/users/u-new", params=named, json=change)).is_success


async def test_no_route_but_those_that_report_opens_to_a_browser_key(shop: Shop) -> None:
    document = (await shop.operator.get("/openapi.json")).json()
    seen = 0
    async with client_of(shop.app, shop.key["token"]) as client:
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                # Slots are for pages as well, by the scope that their keys have.
                if operation.get("x-scope", "ingest") in ("ingest", "client") or path == "/v1/client/slots":
                    continue
                for parameter in operation.get("parameters", []):
                    if parameter["in"] == "path":
                        path = path.replace(f"{{{parameter['name']}}}", str(parameter["schema"]["examples"][0]))
                answer = await client.request(method, path, json={} if method in ("post", "put", "patch") else None)
                assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), (method, path)
                seen += 1
    assert seen > 40


async def test_a_forged_message_id_hides_no_event_of_the_server(shop: Shop) -> None:
    assert (await shop.report("track", {"anonymousId": "a-evil", "event": "x", "messageId": "m-next"})).is_success
    assert await shop.serve("track", userId="u-victim", event="x", messageId="m-next") == {"success": True}
    taken = await shop.operator.post("/v1/keys", json={"name": "browser:shop", "scopes": ["ingest"]})
    assert (taken.status_code, taken.json()["code"]) == (400, "invalid_request")
    assert shop.key["source"] == "browser:shop"


async def test_a_guessed_message_id_hides_no_event_of_another_visitor(shop: Shop) -> None:
    evil = {"context": {"userToken": token(shop.key["token_secret"])}}
    mine = {"context": {"userToken": token(shop.key["token_secret"], "u-1")}}
    for call in (
        {"anonymousId": "a-evil"},
        # Their own token, and the victim's id as one of a visitor.
        {"userId": "u-attacker", **evil},
        {"userId": "u-attacker", "anonymousId": "u-1", **evil},
        {"anonymousId": "a-1"},
        {"userId": "u-1", **mine},
    ):
        said = {**call, "event": "Viewed", "messageId": "guessed"}
        assert (await shop.report("track", said)).json() == {"success": True}
        assert (await shop.report("track", said)).json() == {"success": True, "duplicates": ["guessed"]}
    # An erasure finds them.
    [found] = await shop.query(
        "SELECT count(*) FROM events AS own JOIN message_ids AS used"  # noqa: S608 -- a constant
        f" ON used.source = own.source AND used.message_id = {CLAIMED_ID} WHERE own.message_id = 'guessed'"
    )
    assert found["count"] == 5


async def test_an_anonymous_person_has_events_traits_and_claims_and_keeps_them_apart(shop: Shop) -> None:
    call = {
        "anonymousId": "a-1",
        "userId": "u-1",
        "messageId": "i-1",
        "traits": {"email": "e@evil.example", "plan": "free"},
    }
    assert (await shop.report("identify", call)).json() == {"success": True, "unverified": ["i-1"]}
    signed = {"anonymousId": "a-1", "event": "Signed Up", "properties": {"contact": "e@evil.example"}}
    assert (await shop.report("track", signed)).json() == {"success": True}
    [profile] = await shop.query("SELECT * FROM profiles JOIN identities ON profile_id = id WHERE value = 'a-1'")
    assert (profile["user_id"], profile["traits"], profile["addresses"]) == (None, {"plan": "free"}, {})
    assert profile["claims"] == {"userId": "u-1", "traits.email": "e@evil.example"}
    assert len(await shop.query("SELECT 1 FROM journeys WHERE profile_id = %s", profile["id"])) == 1
    # The server claims the person: what was not verified stays so.
    mine = {"userId": "u-1", "anonymousId": "a-1", "context": {"userToken": token(shop.key["token_secret"], "u-1")}}
    assert (await shop.report("identify", {**mine, "traits": {"first_name": "Ada"}})).json() == {"success": True}
    [claimed] = await shop.query("SELECT * FROM profiles WHERE user_id = 'u-1'")
    assert (claimed["id"], claimed["traits"], claimed["addresses"]) == (
        profile["id"],
        {"plan": "free", "first_name": "Ada"},
        {},
    )
    assert claimed["claims"] == profile["claims"]
    shown = (await shop.operator.get("/v1/users/u-1")).json()
    assert {name: each["is_verified"] for name, each in shown["traits"].items()} == {"plan": False, "first_name": True}
    assert (shown["claims"]["traits.email"]["value"], shown["claims"]["traits.email"]["is_verified"]) == (
        "e@evil.example",
        False,
    )
    late = {"anonymousId": "a-1", "event": "Order Completed", "messageId": "late"}
    assert (await shop.report("track", late)).json() == {"success": True}
    stored = await shop.query(
        "SELECT message_id, trust FROM events WHERE profile_id = %s ORDER BY recorded_at", profile["id"]
    )
    assert [row["trust"] for row in stored] == ["anonymous", "anonymous", "verified", "unverified"]
    assert [
        row["state"] for row in await shop.query("SELECT state FROM journeys WHERE profile_id = %s", profile["id"])
    ] == ["active"]
    assert (await shop.report("track", {**mine, "event": "Order Completed"})).json() == {"success": True}
    [journey] = await shop.query("SELECT state FROM journeys WHERE profile_id = %s", profile["id"])
    assert journey["state"] != "active"
    timeline = (await shop.operator.get("/v1/users/u-1/timeline")).json()["items"]
    assert any("(unverified)" in item["summary"] for item in timeline)


async def test_a_person_claimed_at_the_same_moment_is_known_from_then_on(shop: Shop) -> None:
    for number in range(rounds(8, 200)):
        anonymous = f"a-race-{number}"
        await shop.report("page", {"anonymousId": anonymous})
        signed = [{"anonymousId": anonymous, "event": "Signed Up", "messageId": f"r-{number}-{i}"} for i in range(3)]
        await asyncio.gather(
            shop.serve("identify", userId=f"u-race-{number}", anonymousId=anonymous),
            *(shop.report("track", call) for call in signed),
        )
        assert (await shop.report("track", {**signed[0], "messageId": f"r-{number}-late"})).is_success
    rows = await shop.query(
        "SELECT events.message_id, trust, journeys.id IS NOT NULL AS entered FROM events"
        " LEFT JOIN journeys ON entry ->> 'id' = events.id::text WHERE name = 'Signed Up' AND message_id LIKE 'r-%%'"
    )
    assert len(rows) == 4 * rounds(8, 200)
    # The first of several enters: later ones find the journey.
    assert {row["trust"] for row in rows if row["entered"]} == {"anonymous"}
    assert all(row["trust"] == "unverified" for row in rows if row["message_id"].endswith("late"))


async def test_a_key_of_full_trust_reports_as_a_server_and_reads_nothing(shop: Shop) -> None:
    trusting = await shop.create_key(name="kiosk", trust="full")
    call = {"userId": "u-2", "traits": {"email": "two@example.com"}}
    assert (await shop.report("identify", call, key=trusting["token"])).json() == {"success": True}
    [profile] = await shop.query("SELECT traits FROM profiles WHERE user_id = 'u-2'")
    assert profile["traits"] == {"email": "two@example.com"}
    async with client_of(shop.app, trusting["token"]) as client:
        assert (await client.get("/v1/users/u-2")).status_code == 403
    entries = (await shop.operator.get("/v1/audit-log")).json()["entries"]
    assert entries[0]["data"]["trust"] == "full"


async def test_pages_of_other_origins_are_refused_and_may_read_why(shop: Shop) -> None:
    call = {"anonymousId": "a", "event": "x"}
    mine = await shop.report("track", call)
    assert (mine.status_code, mine.headers["access-control-allow-origin"]) == (200, SHOP)
    assert "Origin" in mine.headers["vary"]
    assert "access-control-allow-credentials" not in mine.headers
    evil = await shop.report("track", call, headers={"Origin": "https://evil.example"})
    assert (evil.status_code, evil.headers["access-control-allow-origin"]) == (403, "https://evil.example")
    # The key of a server works in no page: its answers are kept from all.
    leaked = await shop.report("track", call, key=WRITE_KEY)
    assert (leaked.status_code, "access-control-allow-origin" in leaked.headers) == (200, False)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(shop.app), base_url="http://sojourn.test") as client:
        asked = {"Origin": SHOP, "Access-Control-Request-Method": "POST"}
        for path in ("/v1/track", "/v1/b", "/v1/m", "/beacon/v1/batch", "/v1/projects/x/settings", "/sourceConfig/"):
            wanted = {**asked, "Access-Control-Request-Headers": "authorization,content-type,anonymousid"}
            preflight = await client.options(path, headers=wanted)
            assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (204, SHOP), path
            assert preflight.headers["access-control-allow-headers"] == "authorization,content-type,anonymousid"
            assert "access-control-allow-credentials" not in preflight.headers
        for path in ("/v1/campaigns", "/v1/users/u-victim", "/v1/keys", "/"):
            answer = await client.options(path, headers=asked)
            assert answer.status_code == 405
            assert not [name for name in answer.headers if name.startswith("access-control")]
        odd = await client.options("/v1/track", headers={**asked, "Access-Control-Request-Headers": "a\tb"})
        assert "access-control-allow-headers" not in odd.headers


async def test_the_scripts_find_their_settings_by_a_browser_key_only(shop: Shop) -> None:
    key = shop.key["token"]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(shop.app), base_url="http://sojourn.test") as client:
        for path, status in ((key, 200), (WRITE_KEY, 403), (key[:-1], 404), ("x", 404)):
            answer = await client.get(f"/v1/projects/{path}/settings", headers={"Origin": SHOP})
            assert answer.status_code == status, answer.text
        answer = await client.get(f"/v1/projects/{key}/settings", headers={"Origin": "https://evil.example"})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (403, "https://evil.example")
        source = await client.get("/sourceConfig/", params={"writeKey": key}, headers={"Origin": SHOP})
        assert source.json()["source"]["id"] == shop.key["id"]
        assert shop.key["token_secret"] not in source.text
        assert (await client.get("/sourceConfig", auth=(WRITE_KEY, ""))).status_code == 403
        assert (await client.post("/v1/m", content=b"{")).status_code == 204


async def test_a_body_beyond_the_bounds_of_strangers_is_refused(shop: Shop) -> None:
    one = {"type": "track", "event": "x", "anonymousId": "a", "properties": {"text": "x" * 33_000}}
    assert (await shop.report("track", one)).status_code == 413
    many = {"batch": [{**one, "properties": {"text": "x" * 30_000}}] * 20}
    assert (await shop.report("batch", many)).status_code == 413


async def test_an_address_has_a_rate_of_its_own(database_url: str, operator: httpx.AsyncClient, live: FastAPI) -> None:
    key = await Shop(live, operator, database_url).create_key()
    async with open_live(database_url, rate_limit_address=5) as app:
        shop = Shop(app, operator, database_url)
        shop.key = key
        # More than it may, once; then it waits.
        calls = [{"type": "page", "anonymousId": f"a-{number}"} for number in range(100)]
        assert (await shop.report("batch", {"batch": calls})).status_code == 200
        refused = await shop.report("page", {"anonymousId": "a"})
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert "your address" in refused.json()["detail"]
        assert int(refused.headers["retry-after"]) > 10
        assert refused.headers["access-control-expose-headers"] == "Date, ETag, Retry-After"
        # The key itself has not used up anything.
        async with client_of(app, WRITE_KEY) as client:
            assert (await client.post("/v1/page", json={"anonymousId": "a"})).status_code == 200


async def test_a_rotated_secret_is_valid_until_the_next_rotation(shop: Shop) -> None:
    secrets = [shop.key["token_secret"]]
    for _ in range(2):
        answer = await shop.operator.post(f"/v1/keys/{shop.key['id']}/token-secret")
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        secrets.append(answer.json()["token_secret"])
    async with open_live(shop.database_url) as app:
        shop.app = app
        for number, (secret, unverified) in enumerate(zip(secrets, (["m-0"], [], []), strict=True)):
            call = {"userId": "u-3", "anonymousId": "a-3", "event": "x", "messageId": f"m-{number}"}
            answer = await shop.report("track", {**call, "context": {"userToken": token(secret, "u-3")}})
            assert answer.json().get("unverified", []) == unverified
    listed = (await shop.operator.get("/v1/keys")).text
    stored = await shop.query("SELECT data::text FROM audit_log")
    assert not [one for one in secrets if one in listed or one in str(stored)]
    server = (await shop.operator.post("/v1/keys", json={"name": "s", "scopes": ["ingest"]})).json()
    assert (await shop.operator.post(f"/v1/keys/{server['id']}/token-secret")).status_code == 409
    assert (await shop.operator.post("/v1/keys/none/token-secret")).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "browser"},
        {"kind": "browser", "origins": []},
        {"kind": "browser", "origins": ["*"]},
        {"kind": "browser", "origins": ["null"]},
        {"kind": "browser", "origins": [SHOP], "scopes": ["ingest", "read"]},
        {"kind": "browser", "origins": [SHOP], "trust": "some"},
        {"origins": [SHOP], "scopes": ["ingest"]},
        {"trust": "token", "scopes": ["ingest"]},
        {"kind": "server"},
        {"kind": "mobile", "scopes": ["ingest"]},
    ],
)
async def test_browser_keys_that_are_not_made(operator: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    answer = await operator.post("/v1/keys", json={"name": "x", **wrong})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
