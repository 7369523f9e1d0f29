"""The numbers of a funnel are those of the journeys and messages that made it."""

import asyncio
from typing import Any

import pytest

from application.campaign_graph import CampaignGraphs
from application.funnel import Funnels
from tests.engine.campaigns import ONE_A_DAY, REACTION
from tests.engine.ingesting import statements
from tests.harness import ADMIN_KEY, Harness

STATES = ("sent", "failed", "unknown", "cancelled", "under_way")
SPLIT = """
key: split
name: Split
entry: {event: Signed Up}
goal: {event: Order Completed, within: 7d}
steps:
  - {id: rest, delay: 1h}
  - id: offer
    split: {seed: offer, arms: {discount: 1, none: 1}}
    discount: [{id: mail, send: {channel: email, template: note}}]
    none: [{exit: held-out}]
  - {id: after, delay: 1d}
"""


async def funnel(harness: Harness, key: str, query: str = "") -> dict[str, Any]:
    """Return a funnel, once the graph of each version has the same numbers."""
    found: dict[str, Any] = await harness.admin("GET", f"/v1/campaigns/{key}/funnel{query}")
    for version in found["versions"]:
        graph = await CampaignGraphs(harness.database)(key, version["version"])
        steps = {node.id: node for node in graph.nodes if not node.id.startswith(":")}
        assert list(steps) == [step["id"] for step in version["steps"]]
        for step in version["steps"]:
            node = steps[step["id"]]
            assert (node.id, node.came, node.now) == (step["id"], step["reached"], step["now"])
            if (messages := step["messages"]) is not None:
                refused = {**messages["refused"], **({"capped": messages["capped"]} if messages["capped"] else {})}
                assert node.refused == refused
                assert {state: getattr(node, state) for state in STATES} == {state: messages[state] for state in STATES}
        assert graph.ends == version["outcomes"]
        entered = sum(edge.people for edge in graph.edges if edge.source == ":entry")
        assert entered == version["entered"]
    return found


async def sign_up(harness: Harness, *users: str) -> None:
    for user in users:
        await harness.track(user, "Signed Up")
    for user in users:
        await harness.rests(await harness.journey(user), "clicked")


async def test_the_funnel_of_a_campaign(harness: Harness) -> None:
    await harness.run_campaign(REACTION)
    for user in ("clicks", "waits", "leaves", "is-ended"):
        await harness.identify(user, email=f"{user}@example.com")
    await sign_up(harness, "clicks", "waits", "leaves", "is-ended", "has-no-address")
    await harness.track("waits", "Signed Up")
    [opened] = await harness.query(
        "SELECT messages.id FROM messages JOIN profiles ON profiles.id = profile_id WHERE user_id = 'waits'"
    )
    await harness.track("waits", "Email Opened", {"message_id": str(opened["id"])})
    clicks = await harness.journey("clicks")
    await harness.track("clicks", "Link Clicked", {"kind": "good"})
    assert await asyncio.wait_for(clicks.result(), 20) == "engaged"
    await harness.track("leaves", "Account Closed")
    [ended] = (await harness.admin("GET", "/v1/journeys?user=is-ended"))["journeys"]
    await harness.admin("POST", f"/v1/journeys/{ended['id']}/exit")

    found = await funnel(harness, "reaction")
    assert found["not_let_in"] == {"already_in": 1}
    [version] = found["versions"]
    assert (version["version"], version["entered"], version["active"]) == (1, 5, 2)
    assert version["outcomes"] == {"engaged": 1, "exited": 2}
    assert version["exits"] == {"manual": 1, "exit_event": 1}
    assert (version["goals"], version["arms"]) == (0, [])
    shown = [(step["id"], step["kind"], step["depth"], step["reached"], step["now"]) for step in version["steps"]]
    assert shown == [
        ("hello", "send", 0, 5, {}),
        ("clicked", "wait_for", 0, 5, {"waiting": 2}),
        ("clicked.on_event.1", "exit", 1, 1, {}),
        ("who", "branch", 1, 0, {}),
        ("team", "send", 2, 0, {}),
        ("single", "delay", 2, 0, {}),
        ("goodbye", "send", 0, 0, {}),
    ]
    hello = version["steps"][0]["messages"]
    assert (hello["sent"], hello["opened"], hello["refused"], hello["capped"]) == (4, 1, {"unreachable": 1}, 0)
    assert version["steps"][1]["messages"] is None
    assert (version["steps"][4]["within"], version["steps"][4]["block"]) == ("who", "branch.1")


async def test_goals_by_arm_and_who_was_capped(harness: Harness) -> None:
    await harness.put_caps(ONE_A_DAY)
    await harness.run_campaign(SPLIT)
    users = [f"u{number}" for number in range(8)]
    for user in users:
        await harness.identify(user, email=f"{user}@example.com")
        await harness.track(user, "Signed Up")
        handle = await harness.journey(user)
        await harness.skip(handle, hours=1)
        await harness.decisions.until(user_id=user, kind="split")
    arms = await harness.query(
        """
        SELECT outcome AS arm, array_agg(user_id ORDER BY user_id) AS users
        FROM decisions JOIN profiles ON profiles.id = profile_id WHERE kind = 'split' GROUP BY outcome
        """
    )
    sides = {row["arm"]: row["users"] for row in arms}
    buyers = [users[0] for users in sides.values()]
    for user in buyers:
        await harness.track(user, "Order Completed")
    await harness.until(
        "SELECT 1 WHERE (SELECT count(*) FROM messages WHERE state = 'sent') = %s", len(sides["discount"])
    )
    await harness.until(
        "SELECT 1 WHERE (SELECT count(*) FROM journeys WHERE outcome = 'held-out') = %s", len(sides["none"])
    )
    [version] = (await funnel(harness, "split", "?version=1"))["versions"]
    assert version["goals"] == len(buyers)
    assert version["arms"] == [
        {"step": "offer", "arm": arm, "journeys": len(sides[arm]), "goals": 1} for arm in sorted(sides)
    ]
    reached = {step["id"]: step["reached"] for step in version["steps"]}
    assert reached == {
        "rest": 8,
        "offer": 8,
        "mail": len(sides["discount"]),
        "offer.none.1": len(sides["none"]),
        "after": len(sides["discount"]),
    }


async def test_versions_stand_side_by_side(harness: Harness) -> None:
    await harness.run_campaign(REACTION)
    await sign_up(harness, "u1")
    await harness.run_campaign(REACTION.replace("timeout: 2d", "timeout: 3d"))
    await sign_up(harness, "u2", "u3")
    found = await funnel(harness, "reaction")
    assert [(version["version"], version["entered"]) for version in found["versions"]] == [(1, 1), (2, 2)]
    assert [version["steps"][1]["now"] for version in found["versions"]] == [{"waiting": 1}, {"waiting": 2}]
    [second] = (await funnel(harness, "reaction", "?version=2"))["versions"]
    assert second == found["versions"][1]


async def test_the_numbers_of_the_last_days(harness: Harness) -> None:
    await harness.run_campaign(REACTION)
    await harness.identify("u1", email="u1@example.com")
    await sign_up(harness, "u1", "has-no-address")
    await harness.track("u1", "Signed Up")
    numbers = await harness.admin("GET", "/v1/campaign-numbers?days=3")
    assert numbers["campaigns"] == [
        {
            "key": "reaction",
            "entered_by_day": [0, 0, 2],
            "in_flight": 2,
            "sent": 1,
            "refused": {"already_in": 1, "unreachable": 1},
            "goals": 0,
            "goal_rate": {"rate": 0.0, "low": 0.0, "high": 0.657628},
        }
    ]
    graph = await harness.admin("GET", "/v1/campaigns/reaction/graph")
    nodes = {node["id"]: node for node in graph["nodes"]}
    [made] = await harness.query("SELECT (created_at AT TIME ZONE 'UTC')::date::text AS day FROM campaigns")
    assert graph["since"] == made["day"]
    assert (nodes[":entry"]["came"], nodes[":entry"]["refused"]) == (2, {"already_in": 1})
    assert (nodes["clicked"]["here"], nodes["clicked"]["oldest_waiting_since"] is None) == (2, False)
    assert {"source": ":entry", "target": "hello", "label": "", "people": 2} in graph["edges"]
    for by, groups in {
        "reason": [("already_in", 1, 1), ("unreachable", 1, 1)],
        "step": [("", 1, 1), ("hello", 1, 1)],
        "campaign": [("reaction", 2, 2)],
    }.items():
        found = await harness.admin("GET", f"/v1/non-sends?by={by}")
        assert [(group["value"], group["people"], group["times"]) for group in found["groups"]] == groups
        assert (found["total"]["people"], found["total"]["times"]) == (2, 2)
    for by, value in {"channel": "email", "campaign": "reaction", "day": numbers["at"][:10]}.items():
        counted = await harness.admin("GET", f"/v1/message-counts?by={by}&campaign=reaction&channel=email")
        assert counted["groups"] == [{"value": value, "states": {"sent": 1}}]
    [provider] = (await harness.admin("GET", "/v1/message-counts?by=provider"))["groups"]
    for filters, number in {f"provider={provider['value']}": 1, "provider=none": 0, "channel=sms": 0}.items():
        assert len((await harness.admin("GET", f"/v1/message-counts?{filters}"))["groups"]) == number
    assert (await harness.admin("GET", "/v1/caps/pressure"))["rules"] == []
    for day in ("0", "2026-11-22T00:00:00Z", "9999-01-01"):
        answer = await harness.http.get(
            "/v1/non-sends", params={"to": day}, headers={"Authorization": f"Bearer {ADMIN_KEY}"}
        )
        assert answer.status_code == 400
    [refused] = (await harness.admin("GET", "/v1/non-sends/people?step=hello&limit=1"))["people"]
    assert (refused["user_id"], refused["campaign"], refused["reason"]) == ("has-no-address", "reaction", "unreachable")
    first = await harness.admin("GET", "/v1/non-sends/people?limit=1")
    second = await harness.admin("GET", f"/v1/non-sends/people?limit=1&after={first['next']}")
    assert [page["people"][0]["reason"] for page in (first, second)] == ["already_in", "unreachable"]
    assert second["next"] is None
    path, headers = "/v1/campaigns/reaction/graph?version=1", {"Authorization": f"Bearer {ADMIN_KEY}"}
    answer = await harness.http.get(path, headers=headers)
    same = await harness.http.get(path, headers={**headers, "If-None-Match": answer.headers["etag"]})
    assert (answer.status_code, same.status_code) == (200, 304)
    assert (await harness.http.get("/v1/campaigns/none/graph", headers=headers)).status_code == 404


async def test_a_journey_has_the_zone_of_its_person(harness: Harness) -> None:
    await harness.run_campaign(REACTION.replace("name:", "timezone: Asia/Tokyo\nname:", 1))
    await harness.identify("u1", timezone="Europe/Paris")
    await sign_up(harness, "u1", "u2")
    for user, zone in {"u1": "Europe/Paris", "u2": "Asia/Tokyo"}.items():
        [journey] = (await harness.admin("GET", f"/v1/journeys?user={user}"))["journeys"]
        assert (await harness.admin("GET", f"/v1/journeys/{journey['id']}"))["zone"] == zone


async def test_a_campaign_that_nobody_entered_has_a_funnel_too(harness: Harness) -> None:
    await harness.run_campaign(REACTION)
    found = await funnel(harness, "reaction")
    assert (found["not_let_in"], found["versions"][0]["entered"]) == ({}, 0)
    for path in ("/v1/campaigns/none/funnel", "/v1/campaigns/reaction/funnel?version=2"):
        answer = await harness.http.get(path, headers={"Authorization": f"Bearer {ADMIN_KEY}"})
        assert answer.status_code == 404


async def test_those_who_ask_at_once_share_one_count(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads every journey. A later request is counted anew."""
    await harness.run_campaign(SPLIT)
    funnels = Funnels(harness.database)
    # The first look also outlines the version.
    await funnels("split", None)
    with statements(monkeypatch) as sent:
        alone = await funnels("split", None)
    cost = len(sent)
    with statements(monkeypatch) as sent:
        assert await asyncio.gather(*(funnels("split", None) for _ in range(10))) == [alone] * 10
    assert len(sent) == cost
    await harness.track("ada", "Signed Up")
    assert (await funnels("split", None)).versions[0].entered == 1


async def test_a_step_whose_version_is_stopped_has_no_oldest(harness: Harness) -> None:
    await harness.run_campaign(REACTION)
    await harness.identify("waits", email="waits@example.com")
    await sign_up(harness, "waits")
    graph = await CampaignGraphs(harness.database)("reaction", 1)
    assert [node.id for node in graph.nodes if node.oldest_waiting_since is not None] == ["clicked"]
    await harness.query("UPDATE campaigns SET exiting = '{1}' RETURNING 1")
    graph = await CampaignGraphs(harness.database)("reaction", 1)
    assert [(node.id, node.here) for node in graph.nodes if node.here or node.oldest_waiting_since is not None] == []
