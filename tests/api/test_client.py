"""The client API for one person: devices and preferences of the user of a token."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.shop import SHOP, Shop, open_shop

TOPICS = """topics:
  - {key: news, name: {en: News, de: Neues}}
  - {key: letters, name: Letters, default: double}
  - {key: terms, name: Terms, required: true}
"""
DEVICE = {"kind": "token", "value": "fMEP0vJqS0:APA91bHqX", "app": "com.example.shop"}


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[Shop]:
    async with open_shop(database_url) as shop:
        put = {"file": "topics.yaml", "source": TOPICS}
        assert (await shop.operator.put("/v1/topics", json=put)).is_success
        yield shop


async def test_a_user_registers_and_removes_devices_of_their_own(shop: Shop) -> None:
    mine = shop.token("u-victim")
    answer = await shop.ask("PUT", "devices/d-1", user_token=mine, json=DEVICE)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, SHOP)
    [known] = await shop.query(
        "SELECT user_id, device_id, app, removed_at FROM device_addresses JOIN profiles ON profiles.id = profile_id"
    )
    assert known == {"user_id": "u-victim", "device_id": "d-1", "app": "com.example.shop", "removed_at": None}
    assert (await shop.ask("DELETE", "devices/d-2", user_token=mine)).status_code == 404
    assert (await shop.ask("DELETE", "devices/d-1", user_token=mine)).status_code == 204
    [gone] = await shop.query("SELECT removed_reason FROM device_addresses")
    assert gone == {"removed_reason": "logged_out"}
    assert (await shop.ask("PUT", "devices/d-1", user_token=shop.token("u-new"), json=DEVICE)).status_code == 404


@pytest.mark.parametrize(("method", "path"), [("PUT", "devices/d-1"), ("GET", "preferences"), ("PUT", "preferences")])
async def test_what_concerns_a_user_needs_a_token(shop: Shop, method: str, path: str) -> None:
    for person in ({}, {"anonymous_id": "a-victim"}, {"anonymous_id": "a-new"}):
        answer = await shop.ask(method, path, json={}, **person)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert "user token" in answer.json()["detail"]


async def preferences(shop: Shop, change: dict[str, Any] | None = None, **request: Any) -> dict[str, Any]:
    method = "GET" if change is None else "PUT"
    answer = await shop.ask(method, "preferences", user_token=shop.token("u-victim"), json=change, **request)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def states(shown: dict[str, Any], channel: str = "email") -> dict[str, tuple[str, bool]]:
    return {
        topic["key"]: (one["state"], one["can_change"])
        for topic in shown["topics"]
        for one in topic["channels"]
        if one["channel"] == channel
    }


def change(topic: str, state: str, channel: str = "email") -> dict[str, Any]:
    return {"topics": [{"key": topic, "channels": [{"channel": channel, "state": state}]}]}


async def test_a_user_sees_and_changes_their_preferences(shop: Shop) -> None:
    shown = await preferences(shop)
    assert states(shown) == {"news": ("on", True), "letters": ("off", True), "terms": ("on", False)}
    assert (shown["pace"], shown["paused_until"]) == (None, None)
    assert states(await preferences(shop, change("news", "off")))["news"] == ("off", True)
    # One that asks for a confirmation waits for it, as after any form.
    assert states(await preferences(shop, change("letters", "on")))["letters"] == ("pending", True)
    shown = await preferences(shop, {"pace": "weekly"})
    assert (shown["pace"], states(shown)["news"]) == ("weekly", ("off", True))
    until = (datetime.now(UTC) + timedelta(days=7)).isoformat()
    assert (await preferences(shop, {"paused_until": until}))["pace"] == "weekly"
    assert (await preferences(shop))["paused_until"].startswith(until[:19])
    shown = await preferences(shop, {"paused_until": None, "pace": None})
    assert (shown["paused_until"], shown["pace"]) == (None, None)
    log = (await shop.operator.get("/v1/users/u-victim")).json()["consent_log"]
    assert {one["proof"]["form"] for one in log if "news.email" in one["changes"]} == {"app"}


async def test_the_names_of_topics_are_in_the_language_of_the_user(shop: Shop) -> None:
    german = {"headers": {"Accept-Language": "de-AT, en;q=0.5"}}
    assert [topic["name"] for topic in (await preferences(shop, **german))["topics"]] == ["Neues", "Letters", "Terms"]
    assert [topic["name"] for topic in (await preferences(shop))["topics"]] == ["News", "Letters", "Terms"]


async def test_only_a_link_lifts_what_an_address_has_refused(shop: Shop) -> None:
    """A token vouches for a user: they may have stated an address that is another person's."""
    refused = "UPDATE addresses SET refusals = '{\"opt_out\": \"by a link\"}' WHERE channel = 'email' RETURNING value"
    assert await shop.query(refused) == [{"value": "victim@example.com"}]
    assert states(await preferences(shop))["news"] == ("off", False)
    answer = await shop.ask("PUT", "preferences", user_token=shop.token("u-victim"), json=change("news", "on"))
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert states(await preferences(shop, change("news", "off")))["news"] == ("off", False)


@pytest.mark.parametrize(
    "wrong",
    [
        change("news", "off", "fax"),
        change("other", "off"),
        change("terms", "off"),
        {"paused_until": "2020-01-01T00:00:00Z"},
        {"paused_until": "2999-01-01T00:00:00Z"},
        {"pace": "daily"},
        {"traits": {"email": "evil@evil.example"}},
    ],
)
async def test_what_cannot_be_changed_is_refused_whole(shop: Shop, wrong: dict[str, Any]) -> None:
    before = await shop.victim()
    both = {**change("news", "off"), **wrong} if "topics" not in wrong else wrong
    answer = await shop.ask("PUT", "preferences", user_token=shop.token("u-victim"), json=both)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert await shop.victim() == before


async def test_a_page_may_ask_before_it_changes_something(shop: Shop) -> None:
    wanted = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization,x-write-key"}
    answer = await shop.ask("OPTIONS", "devices/d-1", headers=wanted)
    assert answer.status_code == 204
    assert {"PUT", "DELETE"} <= set(answer.headers["access-control-allow-methods"].split(", "))
    assert answer.headers["access-control-allow-headers"] == "authorization,x-write-key"
