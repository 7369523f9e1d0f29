"""People are shown with the source of each value, and found."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from store import people
from tests.api.fakes import ADMIN_KEY, WRITE_KEY
from tests.api.live import client_of

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


async def test_an_unchanged_person_is_304_and_each_look_is_in_the_audit_log_once_a_day(
    operator: httpx.AsyncClient, identify: Track
) -> None:
    await identify({"plan": "free"}, userId="a/b")
    answer = await operator.get("/v1/users/a%2Fb")
    same = await operator.get("/v1/users/a%2Fb", headers={"If-None-Match": answer.headers["ETag"]})
    assert same.status_code == 304
    await identify({"plan": "pro"}, userId="a/b")
    changed = await operator.get("/v1/users/a%2Fb", headers={"If-None-Match": answer.headers["ETag"]})
    assert (changed.status_code, changed.json()["traits"]["plan"]["value"]) == (200, "pro")
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
