"""People are shown with the source of each value, and found."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI

from store import people
from tests.api.fakes import ADMIN_KEY, WRITE_KEY
from tests.api.live import client_of
from tests.engine.computed_harness import computed_harness

Track = Callable[..., Awaitable[None]]


@pytest.fixture
async def identify(live: FastAPI) -> Track:
    async def identify(traits: dict[str, Any], **ids: Any) -> None:
        async with client_of(live, WRITE_KEY) as client:
            answer = await client.post("/v1/identify", json={"traits": traits, **ids})
        assert answer.json() == {"success": True}

    return identify


async def get(client: httpx.AsyncClient, path: str, **params: Any) -> dict[str, Any]:
    answer = await client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_person_is_shown_with_the_source_of_each_value(
    live: FastAPI, operator: httpx.AsyncClient, identify: Track
) -> None:
    source = {"name": "app", "scopes": ["ingest"], "source": "ios"}
    key = (await operator.post("/v1/keys", json=source)).json()["token"]
    await identify({"plan": "free", "old": 1, "email": "Ada@Example.com"}, anonymousId="a-1")
    await identify({"plan": "pro", "old": None}, userId="u-1", anonymousId="a-1", timestamp="2026-01-02T03:04:05Z")
    async with client_of(live, key) as app:
        await app.post("/v1/identify", json={"userId": "u-1", "traits": {"city": "Rome", "consent": {"email": False}}})
    reason = {"reason": "asked us"}
    assert (await operator.put("/v1/users/u-1/suppressions/email", json=reason)).status_code == 204

    person = await get(operator, "/v1/users/u-1")
    traits = {name: (one["value"], one["source"], one["by"]) for name, one in person["traits"].items()}
    assert traits == {
        # The earlier statement arrived later.
        "plan": ("free", "event", "default"),
        "old": (1, "event", "default"),
        "email": ("Ada@Example.com", "event", "default"),
        "city": ("Rome", "event", "ios"),
    }
    assert person["traits"]["plan"]["at"].startswith("20")
    assert person["identities"] == [{"kind": "user", "value": "u-1"}, {"kind": "anonymous", "value": "a-1"}]
    email = person["consent"]["email"]
    assert (email["is_allowed"], email["address"]) == (False, "ada@example.com")
    assert (email["given"]["value"], email["given"]["by"]) == (False, "ios")
    assert email["suppressed"] == email["address_refusals"]["suppression"]
    assert (email["can_lift"], person["consent"]["sms"]["can_lift"]) == (True, False)
    assert (email["suppressed"]["source"], email["suppressed"]["value"]) == ("operator", "asked us")
    log = [(each["part"], each["source"], each["source_name"]) for each in person["consent_log"]]
    assert sorted(log[:2]) == [("addresses", "operator", "SOJOURN_ADMIN_KEY"), ("suppressed", *log[0][1:])]
    assert log[2] == ("consent", "event", "ios")
    assert (person["active_journeys"], person["latest_journeys"]) == ([], [])

    for kind, id in (("user", "u-1"), ("anonymous", "a-1"), ("profile", person["id"]), (None, "a-1")):
        assert (await get(operator, f"/v1/users/{id}", **({"kind": kind} if kind else {})))["id"] == person["id"]
    for path, kind in (("u-1", "anonymous"), ("a-1", "user"), ("a-1", "profile"), ("u-2", "user")):
        answer = await operator.get(f"/v1/users/{path}", params={"kind": kind})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_an_unchanged_person_is_304_and_looks_are_one_entry_of_the_audit_log(
    operator: httpx.AsyncClient, identify: Track
) -> None:
    await identify({"plan": "free"}, userId="a/b")
    answer = await operator.get("/v1/users/a%2Fb")
    same = await operator.get("/v1/users/a%2Fb", headers={"If-None-Match": answer.headers["ETag"]})
    assert same.status_code == 304
    await identify({"plan": "pro"}, userId="a/b")
    changed = await operator.get("/v1/users/a%2Fb", headers={"If-None-Match": answer.headers["ETag"]})
    assert (changed.status_code, changed.json()["traits"]["plan"]["value"]) == (200, "pro")
    await get(operator, "/v1/users/a%2Fb/timeline")
    log = (await get(operator, "/v1/audit-log", target="a/b"))["entries"]
    assert [(each["action"], each["actor_name"]) for each in log] == [("user.read", "SOJOURN_ADMIN_KEY")]


async def test_people_are_found_by_id_address_trait_and_stage(
    operator: httpx.AsyncClient, identify: Track, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        traits = {"email": f"P{number % 2}@Example.com", "seats": number, "plan": "pro" if number in (0, 4) else "free"}
        await identify(traits, userId=f"u-{number}")
    await identify({"seats": "3"}, anonymousId="a-1")

    async def found(**params: Any) -> list[str]:
        users = (await get(operator, "/v1/users", **params))["users"]
        return [each["user_id"] or each["anonymous_id"] for each in users]

    assert await found() == ["a-1", "u-4", "u-3", "u-2", "u-1", "u-0"]
    assert await found(id="u-3") == ["u-3"]
    assert await found(id="a-1") == ["a-1"]
    ids = [{"id": "c-9", "type": "crm", "collection": "users", "encoding": "none"}]
    await identify({}, userId="u-3", context={"externalIds": ids})
    assert await found(id="c-9") == ["u-3"]
    assert (await get(operator, "/v1/users/c-9", kind="crm"))["user_id"] == "u-3"
    for kind, status in (("user", 404), ("erp", 404), ("no kind", 400)):
        assert (await operator.get("/v1/users/c-9", params={"kind": kind})).status_code == status
    assert await found(address=" p1@EXAMPLE.com") == ["u-3", "u-1"]
    assert await found(address="p1@example.com", trait="seats", value="1") == ["u-1"]
    assert await found(address="nobody@example.com") == await found(stage="trial") == []
    assert await found(trait="seats", value="3") == ["a-1", "u-3"]
    assert await found(trait="seats", value='"3"') == []

    # A page examines so many at most, and may be empty with more to come.
    monkeypatch.setattr(people, "MAX_EXAMINED", 2)
    pages, after = [], None
    while True:
        page = await get(operator, "/v1/users", trait="plan", value="pro", **({"after": after} if after else {}))
        pages.append([each["user_id"] for each in page["users"]])
        if (after := page["next"]) is None:
            break
    assert pages == [["u-4"], [], ["u-0"], []]
    assert len((await get(operator, "/v1/users", limit=4))["users"]) == 4

    answer = await operator.get("/v1/users", params={"trait": "plan"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert (await operator.get("/v1/users", params={"after": "x"})).json()["code"] == "invalid_cursor"


async def test_without_the_scope_nobody_is_shown(live: FastAPI) -> None:
    async with client_of(live, WRITE_KEY) as tracker:
        for path in ("/v1/users", "/v1/users/u-1"):
            assert (await tracker.get(path)).status_code == 403
    assert WRITE_KEY != ADMIN_KEY


async def change(client: httpx.AsyncClient, user: str, **body: Any) -> dict[str, Any]:
    answer = await client.patch(f"/v1/users/{user}", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_an_operator_changes_all_or_nothing_by_the_rules_of_an_identify(
    operator: httpx.AsyncClient, identify: Track
) -> None:
    await identify({"plan": "free", "city": "Bonn", "email": "old@example.com"}, userId="u-1")
    person = await change(
        operator,
        "u-1",
        traits={"plan": "pro", "city": None, "email": " New@example.com ", "timezone": "europe/berlin"},
        consent={"email": False},
        suppressed={"email": "asked us"},
    )
    traits = {name: (one["value"], one["source"], one["by"]) for name, one in person["traits"].items()}
    ours = ("operator", "SOJOURN_ADMIN_KEY")
    assert traits == {
        "plan": ("pro", *ours),
        "email": ("New@example.com", *ours),
        "timezone": ("Europe/Berlin", *ours),
    }
    email = person["consent"]["email"]
    # The suppression binds the address that the same change has set.
    assert (email["address"], list(email["address_refusals"])) == ("new@example.com", ["suppression"])
    assert (email["given"]["value"], email["given"]["source"]) == (False, "operator")
    items = (await get(operator, "/v1/users/u-1/timeline"))["items"]
    assert items[1]["summary"] == "changed by SOJOURN_ADMIN_KEY"
    assert {each["part"] for each in items[1]["changes"]} == {"traits", "consent"}
    _, entry = (await get(operator, "/v1/audit-log", target="u-1"))["entries"]
    names = {"traits": ["city", "email", "plan", "timezone"], "consent": ["email"], "suppressed": ["email"]}
    assert (entry["action"], entry["data"]) == ("user.change", names)

    lifted = await change(operator, "u-1", suppressed={"email": None}, consent={"email": True})
    assert lifted["consent"]["email"]["is_allowed"]
    before = await get(operator, "/v1/users/u-1")
    for body, status in (
        ({}, 400),
        ({"traits": {"plan": "x"}, "suppressed": {"fax": "no"}}, 404),
        ({"traits": {"plan": "x", "timezone": "GMT+2"}}, 400),
        ({"traits": {"plan": "x", "consent": {"email": True}}}, 400),
        ({"traits": {"plan": "x", "big": 2**64}}, 400),
        ({"traits": {"plan": "x", **{f"t{number}": 1 for number in range(1_000)}}}, 400),
        ({"traits": {"plan": "x" * 40_000}}, 413),
        ({"traits": {"plan": "x"}, "consent": {"E-Mail": True}}, 400),
        ({"traits": {"plan": "x\0"}}, 400),
    ):
        answer = await operator.patch("/v1/users/u-1", json=body)
        assert answer.status_code == status, answer.text
    answer = await operator.patch(
        "/v1/users/u-1", content=b'{"traits": {"plan": NaN}}', headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400, answer.text
    after = await get(operator, "/v1/users/u-1")
    assert {**after, "computed": None} == {**before, "computed": None}
    assert (await operator.patch("/v1/users/u-2", json={"traits": {"a": 1}})).status_code == 404
    anonymous = {"kind": "anonymous"}
    await identify({"plan": "free"}, anonymousId="a-1")
    answer = await operator.patch("/v1/users/a-1", params=anonymous, json={"traits": {"plan": "pro"}})
    assert answer.json()["traits"]["plan"]["value"] == "pro"


async def test_a_change_is_made_once_and_to_what_was_read(operator: httpx.AsyncClient, identify: Track) -> None:
    await identify({"seats": 0}, userId="u-1")
    read = (await operator.get("/v1/users/u-1")).headers["ETag"]

    async def add(seats: int) -> int:
        body = {"traits": {"seats": seats}, "suppressed": {"email": None}}
        return (await operator.patch("/v1/users/u-1", json=body, headers={"If-Match": read})).status_code

    assert sorted(await asyncio.gather(*map(add, range(1, 9)))) == [200, *[412] * 7]
    once = {"Idempotency-Key": "k-1"}
    answers = [await operator.patch("/v1/users/u-1", json={"traits": {"seats": 9}}, headers=once) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["Idempotent-Replayed"] == "true"
    items = (await get(operator, "/v1/users/u-1/timeline"))["items"]
    assert [item["kind"] for item in items if item["summary"].startswith("changed")] == ["event", "event"]


async def test_changes_race_with_merges_and_identifies_without_deadlock(
    live: FastAPI, operator: httpx.AsyncClient, identify: Track
) -> None:
    await identify({"n": 0}, userId="u-1")
    async with client_of(live, WRITE_KEY) as tracker:

        async def merge(number: int) -> int:
            await identify({"of": number}, anonymousId=f"a-{number}")
            call = {"userId": "u-1", "anonymousId": f"a-{number}", "traits": {"n": number}}
            return (await tracker.post("/v1/identify", json=call)).status_code

        async def change(number: int) -> int:
            body = {"traits": {"by": number}, "suppressed": {"email": None if number % 2 else "why"}}
            return (await operator.patch("/v1/users/u-1", json=body)).status_code

        answers = await asyncio.gather(*(make(number) for number in range(8) for make in (merge, change)))
    assert answers == [200] * 16
    person = await get(operator, "/v1/users/u-1")
    assert len(person["identities"]) == 9


async def test_an_id_with_slashes_is_whole_and_no_part_is_an_id(operator: httpx.AsyncClient, identify: Track) -> None:
    for id in ("a/timeline/b", "timeline", "a/b"):
        await identify({"plan": "free"}, userId=id)
        assert (await change(operator, quote(id, safe=""), traits={"plan": "pro"}))["user_id"] == id
        assert (await get(operator, f"/v1/users/{id}"))["user_id"] == id
    assert (await operator.patch("/v1/users/a/timeline", json={})).status_code == 405
    assert (await operator.patch("/v1/users/a/suppressions/email", json={})).status_code == 405


async def test_computed_traits_are_shown_once_all_earlier_events_are_counted(
    live: FastAPI, operator: httpx.AsyncClient, identify: Track, database_url: str
) -> None:
    await identify({"plan": "free"}, userId="u-1")
    source = 'computed:\n  orders: {count: Order Completed}\n  is_active: {any: "*", within: 1d}\n'
    answer = await operator.put("/v1/computed", json={"file": "computed.yaml", "source": source})
    assert answer.status_code == 200, answer.text
    computed = (await get(operator, "/v1/users/u-1"))["computed"]
    assert (computed["values"], computed["building"]) == ({}, ["is_active", "orders"])
    async with computed_harness(database_url) as harness:
        await harness.backfill()
    async with client_of(live, WRITE_KEY) as tracker:
        for _ in range(2):
            await tracker.post("/v1/track", json={"userId": "u-1", "event": "Order Completed"})
    answer = await operator.get("/v1/users/u-1")
    computed = answer.json()["computed"]
    assert (computed["values"], computed["building"]) == ({"orders": 2, "is_active": True}, [])
    assert (await operator.get("/v1/users/u-1", headers={"If-None-Match": answer.headers["ETag"]})).status_code == 304
    # An import and an operator's change are no activity of the person.
    row = {"type": "identify", "userId": "u-2", "traits": {"plan": "free"}}
    assert (await operator.post("/v1/imports/crm", json={"batch": [row]})).status_code == 200
    changed = await change(operator, "u-2", traits={"plan": "pro"})
    assert changed["computed"]["values"] == {"orders": 0, "is_active": False}
