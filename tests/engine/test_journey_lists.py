"""Looking at journeys: lists by every filter, and one with its story."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.engine.campaigns import CART, REACTION
from tests.harness import ADMIN_KEY, Harness, now


async def listed(harness: Harness, query: str) -> list[dict[str, Any]]:
    journeys: list[dict[str, Any]] = (await harness.admin("GET", f"/v1/journeys?{query}"))["journeys"]
    return journeys


async def users(harness: Harness, query: str) -> list[str]:
    return [journey["user_id"] for journey in await listed(harness, query)]


@pytest.fixture
async def people(harness: Harness) -> Harness:
    """In the cart: u1 and u2 under way, u3 who bought. In the other campaign: u1, and somebody anonymous."""
    await harness.run_campaign(CART)
    await harness.run_campaign(REACTION)
    for user in ("u1", "u2", "u3"):
        await harness.track(user, "Cart Abandoned", {"value": 200, "cart_id": f"c-{user}"})
    await harness.track("u3", "Order Completed", {"cart_id": "c-u3"})
    await harness.track("u1", "Signed Up")
    await harness.post("track", {"messageId": str(uuid4()), "anonymousId": "a1", "event": "Signed Up"})
    return harness


async def test_journeys_are_found_by_each_of_their_properties(people: Harness) -> None:
    assert await users(people, "") == [None, "u1", "u3", "u2", "u1"]
    assert await users(people, "campaign=cart") == ["u3", "u2", "u1"]
    assert await users(people, "campaign=cart&state=active") == ["u2", "u1"]
    assert await users(people, "campaign=cart&state=exited&outcome=exited") == ["u3"]
    assert await users(people, "state=exited") == ["u3"]
    assert await users(people, "campaign=cart&version=1&state=active") == ["u2", "u1"]
    assert await users(people, "user=u1") == ["u1", "u1"]
    assert await users(people, "user=u1&campaign=cart") == ["u1"]
    assert await users(people, "user=a1") == [None]


@pytest.mark.parametrize(
    "query", ["user=nobody", "campaign=none", "campaign=cart&version=2", "campaign=cart&step=none"]
)
async def test_a_name_that_there_is_not_is_refused(people: Harness, query: str) -> None:
    answer = await people.act("GET", f"/v1/journeys?{query}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_journeys_are_found_by_when_they_were_entered(people: Harness) -> None:
    shown = await listed(people, "campaign=cart")
    middle = shown[1]["entered_at"]
    assert await users(people, f"campaign=cart&entered_after={middle}") == ["u3", "u2"]
    assert await users(people, f"campaign=cart&entered_before={middle}") == ["u1"]
    assert await users(people, f"entered_after={middle}&entered_before={shown[0]['entered_at']}") == ["u2"]
    later = (now() + timedelta(hours=3)).isoformat().replace("+00:00", "Z")
    assert await users(people, f"entered_after={later}") == []
    assert len(await users(people, f"entered_before={later}")) == 5


async def test_pages_follow_each_other_and_miss_nobody(people: Harness) -> None:
    for query in ("", "campaign=cart", "campaign=cart&version=1", "entered_after=2026-01-01T00:00:00Z"):
        whole = await listed(people, query)
        pages, after = [], ""
        while True:
            page = await people.admin("GET", f"/v1/journeys?{query}&limit=2{after}")
            pages.append(page["journeys"])
            if page["next"] is None:
                break
            after = f"&after={page['next']}"
        # Their steps may have changed meanwhile.
        assert [journey["id"] for page in pages for journey in page] == [journey["id"] for journey in whole]
        assert all(len(page) == 2 for page in pages[:-1])


async def test_a_journey_is_shown_with_its_own_story_only(people: Harness) -> None:
    await people.identify("u1", email="u1@example.com")
    [reaction] = await listed(people, "user=u1&campaign=reaction")
    handle = await people.journey("u1", "cart")
    await people.track("u1", "Order Completed", {"cart_id": "c-u1"})
    await asyncio.wait_for(handle.result(), 20)
    [cart] = await listed(people, "user=u1&campaign=cart")
    shown = await people.admin("GET", f"/v1/journeys/{cart['id']}")
    [entered] = await people.query("SELECT id FROM events WHERE name = 'Cart Abandoned' AND user_id = 'u1'")
    assert shown["entry_event_id"] == str(entered["id"])
    assert [(item["kind"], item["outcome"]) for item in shown["timeline"]] == [("entry", "entered"), ("exit", "exited")]
    assert {item["journey_id"] for item in shown["timeline"]} == {cart["id"]}
    assert shown["state"] == "exited"
    assert shown["url"].endswith(f"cart%2Fu1%2F{cart['id'].replace('-', '')[-12:]}")
    last = await people.admin("GET", f"/v1/journeys/{cart['id']}?limit=1")
    assert [item["kind"] for item in last["timeline"]] == ["exit"]
    before = await people.admin("GET", f"/v1/journeys/{cart['id']}?limit=1&before={last['next'].replace('+', '%2B')}")
    assert [item["kind"] for item in before["timeline"]] == ["entry"]
    assert before["next"] is None
    assert reaction["state"] == "active"


async def test_journeys_that_a_stop_has_ended_are_over_before_their_rows_say_so(people: Harness) -> None:
    await people.query("UPDATE campaigns SET exiting = '{1}' WHERE key = 'cart' RETURNING key")
    assert await users(people, "campaign=cart&state=active") == []
    shown = await listed(people, "campaign=cart")
    assert {journey["state"] for journey in shown} == {"exited"}
    assert {journey["status"] for journey in shown} == {None}
    [found] = (await people.admin("GET", "/v1/campaigns/cart/funnel"))["versions"]
    assert (found["active"], found["outcomes"]) == (0, {"exited": 3})
    assert found["exits"] == {"campaign_stopped": 2, "exit_event": 1}
    answer = await people.http.post(
        f"/v1/journeys/{shown[-1]['id']}/exit", headers={"Authorization": f"Bearer {ADMIN_KEY}"}
    )
    assert (answer.status_code, answer.json()["state"]) == (409, "exited")


@pytest.mark.parametrize(
    "query",
    [
        "state=asleep",
        "status=lying",
        "version=0",
        "version=2147483648",
        "limit=0",
        "limit=501",
        "entered_after=2026-01-01T00:00:00",
        "entered_before=soon",
        "colour=red",
        "user=%00",
    ],
)
async def test_filters_that_mean_nothing_are_refused(harness: Harness, query: str) -> None:
    answer = await harness.http.get(f"/v1/journeys?{query}", headers={"Authorization": f"Bearer {ADMIN_KEY}"})
    assert answer.status_code == 400, answer.text


async def test_a_cursor_that_no_page_gave_is_refused(harness: Harness) -> None:
    answer = await harness.http.get("/v1/journeys?after=x", headers={"Authorization": f"Bearer {ADMIN_KEY}"})
    assert answer.json()["code"] == "invalid_cursor"
