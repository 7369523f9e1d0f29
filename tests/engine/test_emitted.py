"""Events that journeys report: they mean what everybody's mean, and no cycle of campaigns goes on for ever."""

from domain.tracking.chain import MAX_CHAIN
from tests.harness import Harness

CHASER = """
key: chaser
name: Chaser
entry: {event: Cart Abandoned}
goal: {event: Cart Chased, within: 1d}
steps:
  - {id: tell, emit_event: {event: Cart Chased, properties: {cart: {cel: entry.properties.cart_id}, by: chaser}}}
  - {id: rest, delay: 1d}
"""
FOLLOWER = """
key: follower
name: Follower
entry: {event: Cart Chased, where: event.properties.by == "chaser", key: event.properties.cart}
exit: [{event: Order Completed}]
steps:
  - {id: wait, delay: 1d}
  - {id: mail, send: {channel: email, template: note}}
"""
PING = """
key: ping
name: Ping
entry: {event: Ping, reentry: always}
steps: [{id: answer, emit_event: {event: Pong}}]
"""
PONG = PING.replace("Ping", "#").replace("Pong", "Ping").replace("#", "Pong").replace("key: ping", "key: pong")


async def test_a_cycle_of_campaigns_is_said_when_it_closes(harness: Harness) -> None:
    async def published(source: str) -> list[str]:
        answer = await harness.admin("POST", "/v1/campaigns", {"file": "a.yaml", "source": source, "templates": {}})
        return [warning["message"] for warning in answer["warnings"]]

    assert await published(PING) == []
    cycle = "campaigns form a cycle: pong → ping → pong by `Ping`, `Pong`"
    assert await published(PONG) == [cycle]
    # Nothing has changed, and the cycle is there still.
    assert await published(PONG) == [cycle]
    assert await published(PING) == ["campaigns form a cycle: ping → pong → ping by `Pong`, `Ping`"]
    # By its latest version, pong leads elsewhere.
    assert await published(PONG.replace("event: Ping", "event: Pung")) == []
    assert await published(PING) == []


async def test_a_cycle_of_campaigns_that_are_applied_together_is_said_of_each(harness: Harness) -> None:
    campaigns = [{"file": "a.yaml", "source": source, "templates": {}} for source in (PING, PONG)]
    answer = await harness.admin("POST", "/v1/apply", {"campaigns": campaigns})
    assert [[warning["message"] for warning in each["plan"]["warnings"]] for each in answer["applied"]] == [
        ["campaigns form a cycle: ping → pong → ping by `Pong`, `Ping`"],
        ["campaigns form a cycle: pong → ping → pong by `Ping`, `Pong`"],
    ]


async def test_an_event_of_a_journey_starts_another(harness: Harness) -> None:
    await harness.run_campaign(CHASER)
    await harness.run_campaign(FOLLOWER)
    await harness.track("u1", "Cart Abandoned", {"cart_id": "c1"})
    handle = await harness.journey("u1", "follower")
    follower = await harness.journeys.one(campaign_key="follower")
    chaser = await harness.journeys.one(campaign_key="chaser")
    assert follower["entry_key"] == "c1"
    assert follower["entry"]["context"] == {
        "sojourn": {"campaign": "chaser", "journey_id": str(chaser["id"]), "chain": 1}
    }
    [event] = await harness.query("SELECT * FROM events WHERE name = 'Cart Chased'")
    assert (event["user_id"], event["properties"]) == ("u1", {"cart": "c1", "by": "chaser"})
    # For the one that reported it, it is the goal, and no exit.
    assert await harness.query("SELECT journey_id, event_id FROM conversions") == [
        {"journey_id": chaser["id"], "event_id": str(event["id"])}
    ]
    assert chaser["state"] == "active"
    await harness.track("u1", "Order Completed", {"cart": "c1"})
    assert await handle.result() == "exited"


async def test_a_journey_may_end_itself_by_what_it_reports(harness: Harness) -> None:
    await harness.run_campaign(CHASER.replace("within: 1d", "within: 1d, exit_on_goal: true"))
    await harness.track("u1", "Cart Abandoned", {"cart_id": "c1"})
    handle = await harness.journey("u1")
    assert await handle.result() == "exited"
    assert (await harness.ended("u1"))["outcome"] == "exited"
    assert (await harness.decisions.one(kind="exit"))["reason"] == "goal"


async def test_a_cycle_of_campaigns_ends(harness: Harness) -> None:
    await harness.run_campaign(PING)
    await harness.run_campaign(PONG)
    await harness.track("u1", "Ping")
    refusals = "SELECT outcome, data FROM decisions WHERE reason = 'chain_too_long'"
    [refused] = await harness.until(refusals)
    assert refused["outcome"] == "refused"
    assert refused["data"]["limit"] == MAX_CHAIN
    journeys = await harness.journeys.all()
    assert len(journeys) == MAX_CHAIN + 1
    assert [journey["campaign_key"] for journey in journeys] == ["ping", "pong"] * (MAX_CHAIN // 2) + ["ping"]
    chains = [journey["entry"]["context"].get("sojourn", {"chain": 0})["chain"] for journey in journeys]
    assert chains == list(range(MAX_CHAIN + 1))
    # The next that a client reports begins anew, whatever it says of itself.
    await harness.track("u1", "Ping", context={"sojourn": {"chain": MAX_CHAIN}})
    await harness.until(refusals + " OFFSET 1")
    assert len(await harness.journeys.all()) == 2 * (MAX_CHAIN + 1)


async def test_what_an_event_holds_is_the_same_at_every_attempt_to_report_it(harness: Harness) -> None:
    """The next attempt has it from the database, where an instant is a text: so it is at the first."""
    await harness.run_campaign(
        """
key: dated
name: Dated
entry: {event: Cart Abandoned}
steps: [{id: tell, emit_event: {event: Cart Chased, properties: {since: {cel: journey.entered_at}}}}]
"""
    )
    await harness.run_campaign(
        FOLLOWER.replace('event.properties.by == "chaser"', "event.properties.since.endsWith('Z')")
    )
    await harness.track("u1", "Cart Abandoned")
    [entry] = await harness.decisions.until(campaign_key="follower")
    assert (entry["outcome"], entry["reason"]) == ("refused", "no_key"), entry
