"""Journeys ended by hand and waits skipped, one and many."""

import asyncio
from typing import Any

import httpx

from runtime.embedded.temporal import EmbeddedTemporal
from tests.engine.campaigns import CART, ONE_A_DAY, PROMOTION
from tests.harness import ADMIN_KEY, PATIENCE, Harness


async def post(harness: Harness, path: str, body: Any = None) -> httpx.Response:
    return await harness.http.post(path, json=body, headers={"Authorization": f"Bearer {ADMIN_KEY}"})


async def entered(harness: Harness, *users: str) -> dict[str, str]:
    """The ids of these users' journeys in the cart, once their workflows rest."""
    for user in users:
        await harness.track(user, "Cart Abandoned", {"value": 200, "cart_id": f"c-{user}"})
    for user in users:
        await harness.rests(await harness.journey(user), "cool-off")
    rows = await harness.journeys.all()
    return {row["user_id"]: str(row["id"]) for row in rows}


async def finished(harness: Harness, operation: dict[str, Any]) -> dict[str, Any]:
    await harness.until("SELECT 1 FROM operations WHERE id = %s AND state = 'done'", operation["id"])
    done: dict[str, Any] = await harness.admin("GET", f"/v1/operations/{operation['id']}")
    return done


async def test_a_journey_that_is_ended_by_hand_is_over_and_says_by_whom(harness: Harness) -> None:
    await harness.run_campaign(CART)
    ids = await entered(harness, "u1")
    handle = await harness.journey("u1")
    ended = await harness.admin("POST", f"/v1/journeys/{ids['u1']}/exit")
    assert (ended["state"], ended["outcome"], ended["status"]) == ("exited", "exited", None)
    assert await asyncio.wait_for(handle.result(), 20) == "exited"
    [line] = [item for item in await harness.timeline("u1") if item["kind"] == "exit"]
    assert (line["reason"], line["data"]) == ("manual", {"by": "SOJOURN_ADMIN_KEY"})
    [audit] = await harness.query("SELECT * FROM audit_log WHERE action = 'journey.exit'")
    assert (audit["target"], audit["actor_name"]) == (ids["u1"], "SOJOURN_ADMIN_KEY")


async def test_of_two_who_end_a_journey_at_once_one_is_told_that_it_is_over(harness: Harness) -> None:
    await harness.run_campaign(CART)
    ids = await entered(harness, "u1")
    answers = await asyncio.gather(*(post(harness, f"/v1/journeys/{ids['u1']}/exit") for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    [refused] = [answer.json() for answer in answers if answer.status_code == 409]
    assert (refused["code"], refused["state"], refused["outcome"]) == ("conflict", "exited", "exited")
    assert len(await harness.query("SELECT 1 FROM audit_log WHERE action = 'journey.exit'")) == 1


async def test_a_reserved_message_of_a_journey_ended_by_hand_is_cancelled(harness: Harness) -> None:
    await harness.run_campaign(CART)
    ids = await entered(harness, "u1")
    await harness.query(
        """
        INSERT INTO messages (id, journey_id, profile_id, campaign_key, step, visit, channel, category, template, at,
                              expires_at)
        SELECT gen_random_uuid(), id, profile_id, campaign_key, 'nudge', 1, 'email', 'marketing', 'note', now(), now()
        FROM journeys WHERE id = %s RETURNING id
        """,
        ids["u1"],
    )
    await harness.admin("POST", f"/v1/journeys/{ids['u1']}/exit")
    assert [row["state"] for row in await harness.query("SELECT state FROM messages")] == ["cancelled"]


async def test_what_there_is_not_cannot_be_acted_on(harness: Harness) -> None:
    nobody = "00000000-0000-7000-8000-000000000000"
    for path in (f"/v1/journeys/{nobody}/exit", f"/v1/journeys/{nobody}/skip"):
        assert (await post(harness, path)).status_code == 404
    for path in ("/v1/journeys/exit", "/v1/journeys/skip"):
        assert (await post(harness, path, {"campaign": "none"})).status_code == 404
        assert (await post(harness, path, {})).status_code == 400
    await harness.run_campaign(CART)
    assert (await post(harness, "/v1/journeys/exit", {"campaign": "cart", "user": "nobody"})).status_code == 404
    assert (await post(harness, "/v1/journeys/skip", {"campaign": "cart", "status": "held"})).status_code == 400


async def test_many_are_ended_by_filter_and_the_others_go_on(harness: Harness) -> None:
    await harness.run_campaign(CART)
    ids = await entered(harness, "u1", "u2", "u3")
    last = (await harness.admin("GET", f"/v1/journeys/{ids['u3']}"))["entered_at"]
    chosen = {"campaign": "cart", "version": 1, "entered_before": last}
    assert await harness.admin("POST", "/v1/journeys/exit", {**chosen, "dry_run": True}) == {"journeys": 2}
    assert await harness.query("SELECT 1 FROM operations") == []
    handles = [await harness.journey(user) for user in ("u1", "u2")]
    operation = await finished(harness, await harness.admin("POST", "/v1/journeys/exit", chosen))
    assert (operation["kind"], operation["total"], operation["done"]) == ("exit", 2, 2)
    assert operation["counts"] == {"exited": 2}
    assert [await asyncio.wait_for(handle.result(), 20) for handle in handles] == ["exited", "exited"]
    row = await harness.journeys.one(state="active")
    assert str(row["id"]) == ids["u3"]
    [audit] = await harness.query("SELECT * FROM audit_log WHERE action = 'journeys.exit'")
    assert audit["data"]["operation"] == operation["id"]
    again = await finished(
        harness, await harness.admin("POST", "/v1/journeys/exit", {"campaign": "cart", "user": "u1"})
    )
    assert again["done"] == 0


async def test_a_wait_that_is_skipped_is_over_at_once(harness: Harness) -> None:
    await harness.run_campaign(CART)
    await harness.identify("u1", email="u1@example.com")
    ids = await entered(harness, "u1")
    shown = await harness.admin("GET", f"/v1/journeys/{ids['u1']}")
    assert (shown["step"], shown["status"]) == ("cool-off", "waiting")
    assert shown["wakes_at"] is not None
    handle = await harness.journey("u1")
    await harness.admin("POST", f"/v1/journeys/{ids['u1']}/skip")
    assert await asyncio.wait_for(handle.result(), 20) == "completed"
    assert len(await harness.inbox.wait_for(1, timeout=PATIENCE)) == 1
    story = (await harness.admin("GET", f"/v1/journeys/{ids['u1']}"))["timeline"]
    assert [(item["kind"], item["outcome"]) for item in story] == [
        ("entry", "entered"),
        ("skip", "skipped"),
        ("send", "granted"),
        ("message", "sent"),
        ("end", "completed"),
    ]
    [audit] = await harness.query("SELECT * FROM audit_log WHERE action = 'journey.skip'")
    assert audit["data"] == {"campaign": "cart", "step": "cool-off"}
    assert (await post(harness, f"/v1/journeys/{ids['u1']}/skip")).status_code == 409


async def test_what_waits_for_its_window_the_caps_or_the_campaign_is_not_skipped(harness: Harness) -> None:
    await harness.put_caps(ONE_A_DAY)
    await harness.run_campaign(PROMOTION)
    await harness.run_campaign(CART)
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Price Dropped")
    await harness.inbox.wait_for(1, timeout=PATIENCE)
    ids = await entered(harness, "u2")
    await harness.track("u1", "Cart Abandoned", {"value": 200, "cart_id": "c1"})
    capped = await harness.journey("u1", "cart")
    await harness.skip(capped, minutes=30)
    await harness.rests(capped, "nudge")
    await harness.journeys.until(status="deferred")
    await harness.admin("POST", "/v1/campaigns/cart/pause")
    held = await harness.journey("u2", "cart")
    await harness.skip(held, minutes=30)
    await harness.journeys.until(status="held")
    deferred_id = await harness.journeys.one(status="deferred")
    for id, status, why in ((deferred_id["id"], "deferred", "frequency caps"), (ids["u2"], "held", "resume the one")):
        refused = await post(harness, f"/v1/journeys/{id}/skip")
        assert refused.status_code == 409
        assert refused.json()["journey_status"] == status
        assert why in refused.json()["detail"]
    assert await harness.query("SELECT 1 FROM outbox WHERE kind = 'skip'") == []
    operation = await finished(harness, await harness.admin("POST", "/v1/journeys/skip", {"campaign": "cart"}))
    assert (operation["total"], operation["done"]) == (0, 0)


async def test_many_waits_are_skipped_by_filter(harness: Harness) -> None:
    await harness.run_campaign(CART)
    for user in ("u1", "u2", "u3"):
        await harness.identify(user, email=f"{user}@example.com")
    await entered(harness, "u1", "u2", "u3")
    chosen = {"campaign": "cart", "step": "cool-off", "user": "u2"}
    assert await harness.admin("POST", "/v1/journeys/skip", {**chosen, "dry_run": True}) == {"journeys": 1}
    operation = await finished(harness, await harness.admin("POST", "/v1/journeys/skip", chosen))
    assert operation["counts"] == {"skipped": 1}
    handle = await harness.journey("u2")
    assert await asyncio.wait_for(handle.result(), 20) == "completed"
    both = await finished(harness, await harness.admin("POST", "/v1/journeys/skip", {"campaign": "cart"}))
    assert both["counts"] == {"skipped": 2}
    assert len(await harness.inbox.wait_for(3, timeout=PATIENCE)) == 3


async def test_one_wait_is_skipped_once_however_often_it_is_asked_for(harness: Harness) -> None:
    """Else the second would skip the wait of the next round."""
    await harness.run_campaign(
        "key: rounds\nname: Rounds\nentry: {event: Signed Up}\nsteps:\n"
        "  - {id: again, repeat: {every: 1d, times: 4}, do: [{id: mark, update_profile: {seen: true}}]}\n"
    )
    await harness.track("u1", "Signed Up")
    handle = await harness.journey("u1")
    await harness.rests(handle, "again")
    [row] = await harness.journeys.until(step="again", status="waiting")
    async with harness.database.transaction() as other:
        # The journey cannot act, and so not come to its next wait, before both have been answered.
        await other.execute("SELECT id FROM profiles FOR UPDATE")
        answers = await asyncio.gather(*(post(harness, f"/v1/journeys/{row['id']}/skip") for _ in range(2)))
    assert [answer.status_code for answer in answers] == [200, 200]
    await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM outbox)")
    await harness.rests(handle, "again")
    signals = [
        event.workflow_execution_signaled_event_attributes.signal_name
        for event in (await handle.fetch_history()).events
        if event.HasField("workflow_execution_signaled_event_attributes")
    ]
    assert signals == ["skip"]
    assert len(await harness.decisions.all(kind="skip")) == 1


async def test_who_enters_after_it_was_asked_for_is_let_be(
    lone_harness: Harness, lone_temporal: EmbeddedTemporal
) -> None:
    """It may be carried out much later, as where Temporal is away meanwhile."""
    harness = lone_harness
    await harness.run_campaign(CART)
    await entered(harness, "u1")
    await lone_temporal.kill()
    operation = await harness.admin("POST", "/v1/journeys/exit", {"campaign": "cart"})
    await harness.track("u2", "Cart Abandoned", {"value": 200, "cart_id": "c-u2"})
    await lone_temporal.restart()
    assert (await finished(harness, operation))["counts"] == {"exited": 1}
    rows = await harness.query(
        "SELECT user_id FROM journeys JOIN profiles ON profiles.id = profile_id WHERE state = 'active'"
    )
    assert [row["user_id"] for row in rows] == ["u2"]
