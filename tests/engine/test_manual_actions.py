"""Journeys ended by hand and waits skipped, one and many."""

import asyncio
from typing import Any

import httpx

from runtime.embedded.temporal import EmbeddedTemporal
from tests.engine.campaigns import CART, ONE_A_DAY, PROMOTION
from tests.harness import ADMIN_KEY, Rig


async def post(rig: Rig, path: str, body: Any = None) -> httpx.Response:
    return await rig.http.post(path, json=body, headers={"Authorization": f"Bearer {ADMIN_KEY}"})


async def entered(rig: Rig, *users: str) -> dict[str, str]:
    """The ids of these users' journeys in the cart, once their workflows rest."""
    for user in users:
        await rig.track(user, "Cart Abandoned", {"value": 200, "cart_id": f"c-{user}"})
    for user in users:
        await rig.rests(await rig.journey(user), "cool-off")
    rows = await rig.query("SELECT user_id, journeys.id FROM journeys JOIN profiles ON profiles.id = profile_id")
    return {row["user_id"]: str(row["id"]) for row in rows}


async def finished(rig: Rig, operation: dict[str, Any]) -> dict[str, Any]:
    await rig.until("SELECT 1 FROM operations WHERE id = %s AND state = 'done'", operation["id"])
    done: dict[str, Any] = await rig.admin("GET", f"/v1/operations/{operation['id']}")
    return done


async def test_a_journey_that_is_ended_by_hand_is_over_and_says_by_whom(rig: Rig) -> None:
    await rig.run_campaign(CART)
    ids = await entered(rig, "u1")
    handle = await rig.journey("u1")
    ended = await rig.admin("POST", f"/v1/journeys/{ids['u1']}/exit")
    assert (ended["state"], ended["outcome"], ended["status"]) == ("exited", "exited", None)
    assert await asyncio.wait_for(handle.result(), 20) == "exited"
    [line] = [item for item in await rig.timeline("u1") if item["kind"] == "exit"]
    assert (line["reason"], line["data"]) == ("manual", {"by": "SOJOURN_ADMIN_KEY"})
    [audit] = await rig.query("SELECT * FROM audit_log WHERE action = 'journey.exit'")
    assert (audit["target"], audit["actor_name"]) == (ids["u1"], "SOJOURN_ADMIN_KEY")


async def test_of_two_who_end_a_journey_at_once_one_is_told_that_it_is_over(rig: Rig) -> None:
    await rig.run_campaign(CART)
    ids = await entered(rig, "u1")
    answers = await asyncio.gather(*(post(rig, f"/v1/journeys/{ids['u1']}/exit") for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    [refused] = [answer.json() for answer in answers if answer.status_code == 409]
    assert (refused["code"], refused["state"], refused["outcome"]) == ("conflict", "exited", "exited")
    assert len(await rig.query("SELECT 1 FROM audit_log WHERE action = 'journey.exit'")) == 1


async def test_a_reserved_message_of_a_journey_ended_by_hand_is_cancelled(rig: Rig) -> None:
    await rig.run_campaign(CART)
    ids = await entered(rig, "u1")
    await rig.query(
        """
        INSERT INTO messages (id, journey_id, profile_id, campaign_key, step, visit, channel, category, template, at,
                              expires_at)
        SELECT gen_random_uuid(), id, profile_id, campaign_key, 'nudge', 1, 'email', 'marketing', 'note', now(), now()
        FROM journeys WHERE id = %s RETURNING id
        """,
        ids["u1"],
    )
    await rig.admin("POST", f"/v1/journeys/{ids['u1']}/exit")
    assert [row["state"] for row in await rig.query("SELECT state FROM messages")] == ["cancelled"]


async def test_what_there_is_not_cannot_be_acted_on(rig: Rig) -> None:
    nobody = "00000000-0000-7000-8000-000000000000"
    for path in (f"/v1/journeys/{nobody}/exit", f"/v1/journeys/{nobody}/skip-wait"):
        assert (await post(rig, path)).status_code == 404
    for path in ("/v1/journeys/exit", "/v1/journeys/skip-wait"):
        assert (await post(rig, path, {"campaign": "none"})).status_code == 404
        assert (await post(rig, path, {})).status_code == 400
    await rig.run_campaign(CART)
    assert (await post(rig, "/v1/journeys/exit", {"campaign": "cart", "user": "nobody"})).status_code == 404
    assert (await post(rig, "/v1/journeys/skip-wait", {"campaign": "cart", "status": "held"})).status_code == 400


async def test_many_are_ended_by_filter_and_the_others_go_on(rig: Rig) -> None:
    await rig.run_campaign(CART)
    ids = await entered(rig, "u1", "u2", "u3")
    last = (await rig.admin("GET", f"/v1/journeys/{ids['u3']}"))["entered_at"]
    chosen = {"campaign": "cart", "version": 1, "entered_before": last}
    assert await rig.admin("POST", "/v1/journeys/exit", {**chosen, "dry_run": True}) == {"journeys": 2}
    assert await rig.query("SELECT 1 FROM operations") == []
    handles = [await rig.journey(user) for user in ("u1", "u2")]
    operation = await finished(rig, await rig.admin("POST", "/v1/journeys/exit", chosen))
    assert (operation["kind"], operation["total"], operation["done"]) == ("exit", 2, 2)
    assert operation["counts"] == {"exited": 2}
    assert [await asyncio.wait_for(handle.result(), 20) for handle in handles] == ["exited", "exited"]
    [row] = await rig.query("SELECT id FROM journeys WHERE state = 'active'")
    assert str(row["id"]) == ids["u3"]
    [audit] = await rig.query("SELECT * FROM audit_log WHERE action = 'journeys.exit'")
    assert audit["data"]["operation"] == operation["id"]
    again = await finished(rig, await rig.admin("POST", "/v1/journeys/exit", {"campaign": "cart", "user": "u1"}))
    assert again["done"] == 0


async def test_a_wait_that_is_skipped_is_over_at_once(rig: Rig) -> None:
    await rig.run_campaign(CART)
    await rig.identify("u1", email="u1@example.com")
    ids = await entered(rig, "u1")
    shown = await rig.admin("GET", f"/v1/journeys/{ids['u1']}")
    assert (shown["step"], shown["status"]) == ("cool-off", "waiting")
    assert shown["wakes_at"] is not None
    handle = await rig.journey("u1")
    await rig.admin("POST", f"/v1/journeys/{ids['u1']}/skip-wait")
    assert await asyncio.wait_for(handle.result(), 20) == "completed"
    assert len(await rig.inbox.wait_for(1, timeout=20)) == 1
    story = (await rig.admin("GET", f"/v1/journeys/{ids['u1']}"))["timeline"]
    assert [(item["kind"], item["outcome"]) for item in story] == [
        ("entry", "entered"),
        ("skip", "skipped"),
        ("send", "granted"),
        ("message", "sent"),
        ("end", "completed"),
    ]
    [audit] = await rig.query("SELECT * FROM audit_log WHERE action = 'journey.skip_wait'")
    assert audit["data"] == {"campaign": "cart", "step": "cool-off"}
    assert (await post(rig, f"/v1/journeys/{ids['u1']}/skip-wait")).status_code == 409


async def test_what_waits_for_its_window_the_caps_or_the_campaign_is_not_skipped(rig: Rig) -> None:
    await rig.put_caps(ONE_A_DAY)
    await rig.run_campaign(PROMOTION)
    await rig.run_campaign(CART)
    await rig.identify("u1", email="u1@example.com")
    await rig.track("u1", "Price Dropped")
    await rig.inbox.wait_for(1, timeout=20)
    ids = await entered(rig, "u2")
    await rig.track("u1", "Cart Abandoned", {"value": 200, "cart_id": "c1"})
    capped = await rig.journey("u1", "cart")
    await rig.skip(capped, minutes=30)
    await rig.rests(capped, "nudge")
    await rig.until("SELECT 1 FROM journeys WHERE status = 'deferred'")
    await rig.admin("POST", "/v1/campaigns/cart/pause")
    held = await rig.journey("u2", "cart")
    await rig.skip(held, minutes=30)
    await rig.until("SELECT 1 FROM journeys WHERE status = 'held'")
    [deferred_id] = await rig.query("SELECT id FROM journeys WHERE status = 'deferred'")
    for id, status, why in ((deferred_id["id"], "deferred", "frequency caps"), (ids["u2"], "held", "resume it")):
        refused = await post(rig, f"/v1/journeys/{id}/skip-wait")
        assert refused.status_code == 409
        assert refused.json()["status"] == status
        assert why in refused.json()["detail"]
    assert await rig.query("SELECT 1 FROM outbox WHERE kind = 'skip'") == []
    operation = await finished(rig, await rig.admin("POST", "/v1/journeys/skip-wait", {"campaign": "cart"}))
    assert (operation["total"], operation["done"]) == (0, 0)


async def test_many_waits_are_skipped_by_filter(rig: Rig) -> None:
    await rig.run_campaign(CART)
    for user in ("u1", "u2", "u3"):
        await rig.identify(user, email=f"{user}@example.com")
    await entered(rig, "u1", "u2", "u3")
    chosen = {"campaign": "cart", "step": "cool-off", "user": "u2"}
    assert await rig.admin("POST", "/v1/journeys/skip-wait", {**chosen, "dry_run": True}) == {"journeys": 1}
    operation = await finished(rig, await rig.admin("POST", "/v1/journeys/skip-wait", chosen))
    assert operation["counts"] == {"skipped": 1}
    handle = await rig.journey("u2")
    assert await asyncio.wait_for(handle.result(), 20) == "completed"
    both = await finished(rig, await rig.admin("POST", "/v1/journeys/skip-wait", {"campaign": "cart"}))
    assert both["counts"] == {"skipped": 2}
    assert len(await rig.inbox.wait_for(3, timeout=20)) == 3


async def test_one_wait_is_skipped_once_however_often_it_is_asked_for(rig: Rig) -> None:
    """Else the second would skip the wait of the next round."""
    await rig.run_campaign(
        "key: rounds\nname: Rounds\nentry: {event: Signed Up}\nsteps:\n"
        "  - {id: again, repeat: {every: 1d, times: 4}, do: [{id: mark, update_profile: {seen: true}}]}\n"
    )
    await rig.track("u1", "Signed Up")
    handle = await rig.journey("u1")
    await rig.rests(handle, "again")
    [row] = await rig.until("SELECT id FROM journeys WHERE step = 'again' AND status = 'waiting'")
    async with rig.database.transaction() as other:
        # The journey cannot act, and so not come to its next wait, before both have been answered.
        await other.execute("SELECT id FROM profiles FOR UPDATE")
        answers = await asyncio.gather(*(post(rig, f"/v1/journeys/{row['id']}/skip-wait") for _ in range(2)))
    assert [answer.status_code for answer in answers] == [200, 200]
    await rig.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM outbox)")
    await rig.rests(handle, "again")
    signals = [
        event.workflow_execution_signaled_event_attributes.signal_name
        for event in (await handle.fetch_history()).events
        if event.HasField("workflow_execution_signaled_event_attributes")
    ]
    assert signals == ["skip"]
    assert len(await rig.query("SELECT 1 FROM decisions WHERE kind = 'skip'")) == 1


async def test_who_enters_after_it_was_asked_for_is_let_be(rig: Rig, temporal: EmbeddedTemporal) -> None:
    """It may be carried out much later, as where Temporal is away meanwhile."""
    await rig.run_campaign(CART)
    await entered(rig, "u1")
    await temporal.kill()
    operation = await rig.admin("POST", "/v1/journeys/exit", {"campaign": "cart"})
    await rig.track("u2", "Cart Abandoned", {"value": 200, "cart_id": "c-u2"})
    await temporal.restart()
    assert (await finished(rig, operation))["counts"] == {"exited": 1}
    rows = await rig.query(
        "SELECT user_id FROM journeys JOIN profiles ON profiles.id = profile_id WHERE state = 'active'"
    )
    assert [row["user_id"] for row in rows] == ["u2"]
