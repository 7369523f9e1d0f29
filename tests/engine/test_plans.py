"""A plan says what would change, and applying it does just that, or nothing."""

import asyncio
from typing import Any

import pytest

from tests.engine.test_migration import FIRST, SECOND
from tests.harness import MAIL, Harness

OTHER_MAIL = MAIL.replace("Cart", "Basket")


async def ask(harness: Harness, verb: str, source: str, *, key: str = "offer", **more: Any) -> Any:
    return await harness.admin("POST", f"/v1/campaigns/{key}/{verb}", body(source, **more))


async def refused(harness: Harness, verb: str, source: str, *, key: str = "offer", **more: Any) -> Any:
    response = await harness.act("POST", f"/v1/campaigns/{key}/{verb}", body(source, **more))
    assert response.status_code >= 400, response.text
    return response.json()


def body(source: str, **more: Any) -> dict[str, Any]:
    return {"file": "offer.yaml", "source": source, "templates": {"note.liquid": MAIL}, **more}


async def at_the_steps(harness: Harness) -> None:
    """Three of the first version: one in each rest."""
    await harness.run_campaign(FIRST)
    handles = []
    for number in range(3):
        await harness.track(f"u{number}", "Signed Up")
        handles.append(await harness.journey(f"u{number}"))
    for handle in handles[1:]:
        await harness.skip(handle, days=1)
        await harness.rests(handle, "looked")
    await harness.skip(handles[2], days=2)
    await harness.rests(handles[2], "pause")
    # Plans warn of names that nobody has reported, as soon as one has been.
    await harness.until("SELECT 1 FROM seen_events WHERE name = 'Signed Up'")


async def versions(harness: Harness) -> list[int]:
    rows = await harness.query("SELECT version FROM campaign_versions ORDER BY version")
    return [row["version"] for row in rows]


async def test_a_plan_tells_the_changes_and_what_becomes_of_those_under_way(harness: Harness) -> None:
    await at_the_steps(harness)
    plan = await ask(harness, "plan", SECOND, in_flight="migrate")
    assert (plan["campaign"], plan["state"], plan["takes_effect"]) == ("offer", "running", True)
    assert (plan["running_version"], plan["next_version"], plan["is_new"], plan["compared_with"]) == (1, 2, True, 1)
    assert [change["text"] for change in plan["changes"]] == [
        "step cool-off: delay was 1d and is 7d",
        "step stage is new, after cool-off",
        "step looked: wait_for.events[0].event was Offer Viewed and is Link Clicked",
        "step looked: wait_for.events[1].event was Link Clicked and is Offer Viewed",
        "step looked: wait_for.timeout was 2d and is 5d",
        "step looked.events.2.1 is new, first in looked.events.2",
        "step pause is gone",
        "step mail is gone",
        "template note.liquid is gone",
    ]
    assert plan["in_flight"] == [
        {"version": 1, "step": "cool-off", "journeys": 1, "fate": "migrates", "reason": None},
        {"version": 1, "step": "looked", "journeys": 1, "fate": "migrates", "reason": None},
        {"version": 1, "step": "pause", "journeys": 1, "fate": "stays", "reason": "step_removed"},
    ]
    assert plan["totals"] == {"stays": 1, "migrates": 2, "exits": 0, "undecided": 0}
    assert await versions(harness) == [1]


@pytest.mark.parametrize(("policy", "fate"), [("keep", "stays"), ("exit", "exits")])
async def test_a_plan_that_moves_nobody(harness: Harness, policy: str, fate: str) -> None:
    await harness.run_campaign(FIRST)
    await harness.track("u1", "Signed Up")
    await harness.journey("u1")
    plan = await ask(harness, "plan", SECOND, in_flight=policy)
    assert {name: count for name, count in plan["totals"].items() if count} == {fate: 1}


async def test_what_was_planned_is_what_is_done(harness: Harness) -> None:
    await at_the_steps(harness)
    plan = await ask(harness, "plan", SECOND, in_flight="migrate")
    applied = await ask(harness, "apply", SECOND, in_flight="migrate", plan=plan["hash"])
    assert (applied["version"], applied["created"], applied["state"]) == (2, True, "running")
    assert applied["plan"] == plan
    path = f"/v1/operations/{applied['operation']}"
    await harness.until("SELECT 1 FROM operations WHERE state = 'done'")
    done = await harness.admin("GET", path)
    assert (done["kind"], done["total"], done["done"]) == ("migrate", 3, 3)
    assert done["counts"] == {"moved": 2, "stayed": 1, "stayed/pause/step_removed": 1}
    again = await ask(harness, "plan", SECOND, in_flight="migrate")
    assert (again["is_new"], again["next_version"], again["changes"]) == (False, 2, [])
    assert again["in_flight"] == [
        {"version": 1, "step": "pause", "journeys": 1, "fate": "stays", "reason": "step_removed"}
    ]


async def test_applying_keeps_those_under_way_where_they_are(harness: Harness) -> None:
    await at_the_steps(harness)
    applied = await ask(harness, "apply", SECOND)
    assert applied["operation"] is None
    campaign = await harness.admin("GET", "/v1/campaigns/offer")
    assert campaign["running_version"] == 2
    assert await harness.query("SELECT DISTINCT campaign_version AS v FROM journeys") == [{"v": 1}]


async def test_applying_ends_those_under_way(harness: Harness) -> None:
    await at_the_steps(harness)
    await ask(harness, "apply", SECOND, in_flight="exit")
    await harness.journeys.until(3, state="exited")
    assert (await harness.admin("GET", "/v1/campaigns/offer"))["state"] == "running"


async def test_nothing_is_done_once_the_campaign_stands_otherwise(harness: Harness) -> None:
    await harness.run_campaign(FIRST)
    plan = await ask(harness, "plan", SECOND)
    await harness.admin("POST", "/v1/campaigns/offer/pause")
    answer = await refused(harness, "apply", SECOND, plan=plan["hash"])
    assert (answer["status"], answer["code"], answer["state"]) == (409, "plan_outdated", "paused")
    assert answer["detail"] == (
        "the plan for offer is outdated: the state was running and is paused. Plan again, and look at what has changed"
    )
    assert await versions(harness) == [1]
    applied = await ask(harness, "apply", SECOND, plan=answer["plan"])
    assert (applied["version"], applied["state"]) == (2, "paused")


async def test_nothing_is_done_once_another_version_is_published(harness: Harness) -> None:
    await harness.run_campaign(FIRST)
    plan = await ask(harness, "plan", SECOND)
    await harness.publish(FIRST.replace("3d", "4d"))
    answer = await refused(harness, "apply", SECOND, plan=plan["hash"])
    assert (answer["code"], answer["running_version"], answer["latest_version"]) == ("plan_outdated", 1, 2)
    assert "the latest version was 1 and is 2" in answer["detail"]


@pytest.mark.parametrize(
    "change",
    [
        {"source": SECOND.replace("7d", "8d")},
        {"in_flight": "exit"},
        {"source": FIRST.replace("3d", "4d"), "templates": {"note.liquid": OTHER_MAIL}},
    ],
)
async def test_what_is_applied_is_what_was_planned(harness: Harness, change: dict[str, Any]) -> None:
    await harness.run_campaign(FIRST)
    first = FIRST.replace("3d", "4d") if "templates" in change else SECOND
    plan = await ask(harness, "plan", first)
    answer = await refused(harness, "apply", **{"source": first, "plan": plan["hash"], **change})
    assert answer["code"] == "plan_outdated"
    assert "the document is another" in answer["detail"]


async def test_what_is_no_hash_is_said_to_be_none(harness: Harness) -> None:
    await harness.run_campaign(FIRST)
    answer = await refused(harness, "apply", SECOND, plan="nonsense")
    assert "this is not the hash of a plan" in answer["detail"]


async def test_of_two_who_apply_the_same_plan_at_once_one_is_refused(harness: Harness) -> None:
    await harness.run_campaign(FIRST)
    plan = await ask(harness, "plan", SECOND)
    answers = await asyncio.gather(
        *(harness.act("POST", "/v1/campaigns/offer/apply", body(SECOND, plan=plan["hash"])) for _ in range(2))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert await versions(harness) == [1, 2]


async def test_a_campaign_that_is_not_there_yet_is_published(harness: Harness) -> None:
    plan = await ask(harness, "plan", FIRST)
    assert (plan["state"], plan["running_version"], plan["next_version"], plan["compared_with"]) == (
        None,
        None,
        1,
        None,
    )
    assert plan["changes"][0]["text"] == "name is new: Offer"
    assert not plan["takes_effect"]
    applied = await ask(harness, "apply", FIRST, plan=plan["hash"])
    assert (applied["version"], applied["created"], applied["state"], applied["operation"]) == (1, True, "draft", None)
    again = await ask(harness, "apply", FIRST)
    assert (again["version"], again["created"]) == (1, False)


async def test_a_campaign_that_stops_is_only_published(harness: Harness) -> None:
    await at_the_steps(harness)
    await harness.admin("POST", "/v1/campaigns/offer/stop")
    plan = await ask(harness, "plan", SECOND, in_flight="exit")
    assert (plan["takes_effect"], plan["totals"]["stays"]) == (False, 3)
    applied = await ask(harness, "apply", SECOND, in_flight="exit")
    assert (applied["state"], applied["operation"]) == ("stopping", None)
    assert (await harness.admin("GET", "/v1/campaigns/offer"))["running_version"] == 1


async def test_an_archived_campaign_takes_nothing(harness: Harness) -> None:
    await harness.publish(FIRST)
    await harness.admin("POST", "/v1/campaigns/offer/archive")
    assert (await refused(harness, "plan", SECOND))["code"] == "conflict"


async def test_the_document_is_that_of_the_campaign(harness: Harness) -> None:
    answer = await refused(harness, "plan", FIRST, key="other")
    assert (answer["status"], answer["code"]) == (422, "invalid_document")
    assert answer["problems"][0]["path"] == "key"


async def test_who_applied_it_is_kept(harness: Harness) -> None:
    await ask(harness, "apply", FIRST)
    rows = await harness.query("SELECT action, target, data FROM audit_log ORDER BY id")
    assert [(row["action"], row["target"]) for row in rows] == [
        ("campaign.publish", "offer"),
        ("campaign.apply", "offer"),
    ]
    assert rows[1]["data"]["version"] == 1
