"""Holds: all marketing to a person waits until an instant, an event or a release."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from application.ingest import Ingest
from domain.sending.gate_answers import Granted, Held
from tests.engine.campaigns import CART
from tests.engine.send_harness import AT, EMAIL, URGENT, SendHarness, each, send_harness
from tests.engine.test_member_sends import CAMPAIGN as INVITE
from tests.engine.test_member_sends import created, join, member
from tests.engine.test_places import AT_SHOP, BERLIN, locate, put_places, put_segment
from tests.harness import Harness

__all__ = ["send_harness"]


def ahead(**duration: float) -> str:
    return (datetime.now(UTC) + timedelta(**duration)).isoformat()


async def place(harness: Harness, user: str = "u1", **fields: Any) -> dict[str, Any]:
    body = {"user": user, "until": ahead(days=30), "reason": "complaint 8841", **fields}
    placed: dict[str, Any] = await harness.admin("POST", "/v1/holds", body)
    return placed


async def waiting(harness: Harness, expires: str = "5d", **fields: Any) -> tuple[Any, dict[str, Any]]:
    """A journey whose message is on hold."""
    await harness.run_campaign(CART.replace("expires: 5d", f"expires: {expires}"))
    await harness.identify("u1", email="u1@example.com")
    hold = await place(harness, **fields)
    await harness.track("u1", "Cart Abandoned", {"value": 120, "cart_id": "c1"})
    handle = await harness.journey("u1", "cart")
    await harness.skip(handle, minutes=30)
    await harness.until("SELECT FROM decisions WHERE reason = 'on_hold'")
    await harness.rests(handle, "nudge")
    return handle, hold


async def sends(harness: Harness) -> list[str]:
    return [item["summary"] for item in await harness.timeline("u1") if item["kind"] == "send"]


async def test_a_message_waits_with_the_reason_and_goes_on_release(harness: Harness) -> None:
    handle, hold = await waiting(harness)
    [held] = [item for item in await harness.timeline("u1") if item["kind"] == "send"]
    assert (held["outcome"], held["reason"], held["data"]["hold"]) == ("held", "on_hold", hold["id"])
    assert held["summary"].startswith("nudge: held: on hold until 20")
    assert held["summary"].endswith(" (user): complaint 8841")
    [row] = await harness.query("SELECT status, wakes_at FROM journeys")
    assert row["status"] == "held"
    assert row["wakes_at"] is not None
    released = await harness.admin("DELETE", f"/v1/holds/{hold['id']}")
    assert (released["state"], released["ended_by"]) == ("released", "SOJOURN_ADMIN_KEY")
    assert await handle.result() == "completed"
    assert len(harness.inbox.messages) == 1
    # A second release changes nothing, and nothing stays open.
    assert await harness.admin("DELETE", f"/v1/holds/{hold['id']}") == released
    assert (await harness.admin("GET", "/v1/holds"))["holds"] == []
    assert [one["id"] for one in (await harness.admin("GET", "/v1/holds?all=true&user=u1"))["holds"]] == [hold["id"]]
    logged = await harness.query("SELECT action, target, data FROM audit_log WHERE action LIKE 'hold.%%' ORDER BY id")
    assert [(row["action"], row["target"]) for row in logged] == [("hold.place", "u1"), ("hold.release", hold["id"])]


async def test_a_hold_ends_by_itself(harness: Harness) -> None:
    handle, _ = await waiting(harness, until=ahead(days=2))
    await harness.skip(handle, days=2)
    assert await handle.result() == "completed"
    assert len(harness.inbox.messages) == 1


async def test_a_message_that_expires_on_hold_is_not_sent(harness: Harness) -> None:
    handle, _ = await waiting(harness, expires="1d")
    await harness.skip(handle, days=1)
    assert await handle.result() == "completed"
    assert harness.inbox.messages == []
    assert [text.split(" at ")[0] for text in await sends(harness)][1:] == ["nudge: refused: expired"]


async def test_the_event_of_that_person_ends_a_hold(harness: Harness) -> None:
    handle, hold = await waiting(harness, event="Complaint Resolved")
    await harness.track("u2", "Complaint Resolved")
    await harness.track("u1", "Complaint Filed")
    assert [one["state"] for one in (await harness.admin("GET", "/v1/holds"))["holds"]] == ["open"]
    id = await harness.track("u1", "Complaint Resolved")
    assert await handle.result() == "completed"
    [over] = (await harness.admin("GET", "/v1/holds?all=true"))["holds"]
    [event] = await harness.query("SELECT id::text FROM events WHERE message_id = %s", id)
    assert (over["id"], over["state"], over["ended_by"]) == (hold["id"], "released", event["id"])
    assert len(harness.inbox.messages) == 1


async def test_of_two_holds_the_last_one_decides(harness: Harness) -> None:
    handle, first = await waiting(harness)
    second = await place(harness, until=ahead(days=3), reason="storm")
    await harness.admin("DELETE", f"/v1/holds/{first['id']}")
    await harness.until("SELECT FROM decisions WHERE data ->> 'hold' = %s", second["id"])
    assert harness.inbox.messages == []
    await harness.admin("DELETE", f"/v1/holds/{second['id']}")
    assert await handle.result() == "completed"


async def test_a_pause_and_a_hold_do_not_undo_each_other(harness: Harness) -> None:
    handle, hold = await waiting(harness)
    await harness.admin("POST", "/v1/campaigns/cart/pause")
    await harness.admin("DELETE", f"/v1/holds/{hold['id']}")
    await harness.until("SELECT FROM decisions WHERE reason = 'campaign_paused'")
    assert harness.inbox.messages == []
    await harness.admin("POST", "/v1/campaigns/cart/resume")
    assert await handle.result() == "completed"
    assert len(harness.inbox.messages) == 1


@pytest.mark.parametrize(
    ("fields", "status", "detail"),
    [
        ({"until": "2020-01-01T00:00:00Z"}, 400, "the hold would be over already"),
        ({"until": "2090-01-01T00:00:00Z"}, 400, "a hold lasts at most 366 days"),
        ({"user": "nobody-known"}, 404, "nothing was ever reported of user nobody-known"),
    ],
)
async def test_a_hold_that_cannot_be_is_refused(
    harness: Harness, fields: dict[str, Any], status: int, detail: str
) -> None:
    await harness.identify("u1", email="u1@example.com")
    body = {"user": "u1", "until": ahead(days=1), "reason": "complaint", **fields}
    answer = await harness.act("POST", "/v1/holds", body)
    assert (answer.status_code, detail in answer.json()["detail"]) == (status, True), answer.text


@each(("send_harness", "handed_over"), [(EMAIL, 0), (URGENT, 1)], indirect=["send_harness"])
async def test_a_hold_between_the_grant_and_the_claim_stops_marketing(
    send_harness: SendHarness, handed_over: int
) -> None:
    hold = await place(send_harness.harness)
    outcome = await send_harness.attempt()
    assert len(send_harness.provider.got) == handed_over
    if handed_over:
        return
    assert (outcome.state, await send_harness.state()) == ("postponed", ("cancelled", "on_hold"))
    assert (await send_harness.attempt()).state == "postponed"
    assert isinstance(await send_harness.ask(2, AT), Held)
    await send_harness.harness.admin("DELETE", f"/v1/holds/{hold['id']}")
    assert isinstance(await send_harness.ask(3, AT), Granted)
    assert (await send_harness.attempt()).state == "sent"


@each("send_harness", [EMAIL], indirect=True)
async def test_a_hold_races_the_claim_and_nothing_is_handed_over_after_it(send_harness: SendHarness) -> None:
    held, outcome = await asyncio.gather(place(send_harness.harness), send_harness.attempt())
    assert held["state"] == "open"
    assert outcome.state in ("sent", "postponed")
    assert len(send_harness.provider.got) == (outcome.state == "sent")


async def test_members_on_hold_get_their_message_on_release(harness: Harness, ingest: Ingest) -> None:
    await harness.run_campaign(INVITE.replace("CHANNEL", "email"))
    await join(ingest, *(member(f"u{number}") for number in range(5)))
    hold = await place(harness, "u3")
    await created(ingest, "u1")
    handle = await harness.journey("u1", "invite")
    await harness.rests(handle, "tell")
    assert {mail.recipients for mail in harness.inbox.messages} == {(f"u{n}@example.com",) for n in (0, 1, 2, 4)}
    await harness.admin("DELETE", f"/v1/holds/{hold['id']}")
    await harness.until("SELECT FROM journeys WHERE step = 'rest'")
    assert sorted(mail.recipients[0] for mail in harness.inbox.messages) == [f"u{n}@example.com" for n in range(5)]


async def test_a_hold_follows_its_person_through_a_merge_and_back(harness: Harness) -> None:
    for user in ("a", "b"):
        await harness.identify(user, email=f"{user}@example.com")
    hold = await place(harness, "a")

    async def held() -> dict[str, list[str]]:
        found = {user: await harness.admin("GET", f"/v1/holds?user={user}") for user in ("a", "b")}
        return {user: [one["id"] for one in page["holds"]] for user, page in found.items()}

    assert await held() == {"a": [hold["id"]], "b": []}
    await harness.admin("POST", "/v1/users/b/merges", {"from": "a"})
    assert await held() == {"a": [hold["id"]], "b": [hold["id"]]}
    await harness.admin("DELETE", "/v1/users/b/merges/a")
    assert await held() == {"a": [hold["id"]], "b": []}


async def test_an_area_on_hold_holds_who_is_in_it_until_its_release(harness: Harness) -> None:
    await put_places(harness)
    await harness.run_campaign(CART)
    for user, at in (("u1", AT_SHOP), ("u2", AT_SHOP), ("u3", BERLIN)):
        await harness.identify(user, email=f"{user}@example.com")
        await locate(harness, user, at)
    body = {"area": "storm-12", "until": ahead(days=3), "reason": "storm 12"}
    hold = await harness.admin("POST", "/v1/holds", body)
    assert (hold["area"], hold["user"], hold["kind"]) == ("storm-12", None, None)
    handles = []
    for user in ("u1", "u2", "u3"):
        await harness.track(user, "Cart Abandoned", {"value": 120, "cart_id": user})
        handles.append(await harness.journey(user, "cart"))
        await harness.skip(handles[-1], minutes=30)
    assert await handles[2].result() == "completed"
    await harness.until("SELECT FROM decisions WHERE reason = 'on_hold' HAVING count(*) = 2")
    [held] = await sends(harness)
    assert held.endswith("(area storm-12): storm 12")
    assert [mail.recipients for mail in harness.inbox.messages] == [("u3@example.com",)]
    # Outside of the area, the message goes at once.
    await locate(harness, "u2", BERLIN)
    assert await handles[1].result() == "completed"
    # Whoever is still inside was asked about again, and the timeline says it once.
    asked = await harness.journeys.one(user_id="u1")
    await harness.skip(handles[0], hours=1)
    await harness.until("SELECT FROM journeys WHERE id = %s AND wakes_at > %s", asked["id"], asked["wakes_at"])
    assert await sends(harness) == [held]
    await harness.admin("DELETE", f"/v1/holds/{hold['id']}")
    assert await handles[0].result() == "completed"
    assert sorted(mail.recipients[0] for mail in harness.inbox.messages) == [f"u{n}@example.com" for n in (1, 2, 3)]


async def test_a_segment_on_hold_holds_its_members(harness: Harness) -> None:
    await put_places(harness)
    await put_segment(harness)
    await harness.run_campaign(CART)
    for user, at in (("u1", AT_SHOP), ("u3", BERLIN)):
        await harness.identify(user, email=f"{user}@example.com")
        await locate(harness, user, at)
        await harness.track(user, "Cart Abandoned", {"value": 120, "cart_id": user})
    hold = await harness.admin("POST", "/v1/holds", {"segment": "in-storm", "until": ahead(days=3), "reason": "storm"})
    handles = [await harness.journey(user, "cart") for user in ("u1", "u3")]
    for handle in handles:
        await harness.skip(handle, minutes=30)
    assert await handles[1].result() == "completed"
    await harness.until("SELECT FROM decisions WHERE reason = 'on_hold'")
    assert len(harness.inbox.messages) == 1
    # Whoever leaves the segment is not waited for; the hold stays open.
    await locate(harness, "u1", BERLIN)
    assert await handles[0].result() == "completed"
    assert [one["state"] for one in (await harness.admin("GET", "/v1/holds"))["holds"]] == ["open"]
    assert hold["segment"] == "in-storm"


async def test_a_merge_that_is_undone_takes_its_hold_from_the_other_person(harness: Harness) -> None:
    await harness.run_campaign(CART)
    for user in ("u1", "u2"):
        await harness.identify(user, email=f"{user}@example.com")
    await place(harness, "u2")
    await harness.admin("POST", "/v1/users/u1/merges", {"from": "u2"})
    await harness.track("u1", "Cart Abandoned", {"value": 120, "cart_id": "c1"})
    handle = await harness.journey("u1", "cart")
    await harness.skip(handle, minutes=30)
    await harness.until("SELECT FROM decisions WHERE reason = 'on_hold'")
    await harness.rests(handle, "nudge")
    await harness.admin("DELETE", "/v1/users/u1/merges/u2")
    assert await handle.result() == "completed"
    assert [mail.recipients for mail in harness.inbox.messages] == [("u1@example.com",)]


@pytest.mark.parametrize(
    ("fields", "status", "detail"),
    [
        ({"area": "storm-13"}, 404, "there is no area storm-13. Did you mean `storm-12`?"),
        ({"segment": "vip"}, 404, "there is no segment vip"),
        ({"area": "storm-12", "event": "Calm"}, 400, "an event ends the hold of a person"),
        ({"area": "storm-12", "user": "u1"}, 400, "name one of them"),
        ({}, 400, "name one of them"),
    ],
)
async def test_a_hold_of_people_who_are_not_there_is_refused(
    harness: Harness, fields: dict[str, Any], status: int, detail: str
) -> None:
    await put_places(harness)
    answer = await harness.act("POST", "/v1/holds", {"until": ahead(days=1), "reason": "storm", **fields})
    assert (answer.status_code, detail in answer.json()["detail"]) == (status, True), answer.text


@each("send_harness", [EMAIL], indirect=True)
async def test_without_an_open_hold_none_is_looked_up(send_harness: SendHarness) -> None:
    """The registry says until when there may be any."""
    harness = send_harness.harness
    counted = "SELECT idx_scan + seq_scan AS scans FROM pg_stat_all_tables WHERE relname = 'holds'"
    await harness.query("SELECT pg_stat_force_next_flush()")
    [before] = await harness.query(counted)
    assert isinstance(await send_harness.ask(2, AT), Granted)
    assert (await send_harness.attempt()).state == "sent"
    await harness.query("SELECT pg_stat_force_next_flush()")
    assert await harness.query(counted) == [before]
