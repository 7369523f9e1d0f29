"""An import of the past is stored and acts on nothing, and what restrains counts all the same."""

from typing import Any

import pytest

from tests.harness import Harness, ago

CAMPAIGN = """
key: welcome
name: Welcome
entry: {{event: Signed Up{max_age}}}
exit: [{{event: Account Closed}}]
goal: {{event: Order Completed, within: 7d}}
steps:
  - id: looked
    wait_for: {{event: Page Seen, timeout: 3d}}
    on_event: [{{exit: looked}}]
  - {{id: hello, send: {{channel: email, template: note}}}}
"""


def welcome(max_age: str = "") -> str:
    return CAMPAIGN.format(max_age=f", max_age: {max_age}" if max_age else "")


def call(user: str, event: str, **fields: Any) -> dict[str, Any]:
    return {"type": "track", "userId": user, "event": event, "integrations": {"All": True}, **fields}


async def entries(harness: Harness, user: str) -> list[tuple[str, str | None]]:
    return [(item["summary"], item["reason"]) for item in await harness.timeline(user) if item["kind"] == "entry"]


# `max_age`, how long ago it happened in hours, and whether that lets somebody in.
AGES = [("", 23, True), ("", 25, False), ("", 24 * 700, False), ("1h", 2, False), ("366d", 24 * 365, True)]


async def test_an_event_that_is_too_old_is_stored_and_starts_nothing(harness: Harness) -> None:
    for number, (max_age, _, _) in enumerate(AGES):
        source = welcome(max_age).replace("key: welcome", f"key: welcome-{number}")
        await harness.run_campaign(source.replace("Signed Up", f"Signed Up {number}"))
    for number, (max_age, hours, is_in) in enumerate(AGES):
        user, event = f"u{number}", f"Signed Up {number}"
        await harness.post("batch", {"batch": [call(user, event, timestamp=ago(hours=hours))]})
        [(summary, reason)] = await entries(harness, user)
        assert reason == (None if is_in else "too_old")
        if not is_in:
            assert f"more than {max_age or '1d'} before it was reported" in summary
    assert len(await harness.query("SELECT FROM events")) == len(AGES)
    entered = await harness.query("SELECT campaign_key FROM journeys ORDER BY campaign_key")
    assert [row["campaign_key"] for row in entered] == ["welcome-0", "welcome-4"]


# By call and by batch; tests/domain/tracking/test_shared.py has all ways.
MARKS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"context": {"backfill": True}}, {}),
    ({}, {"integrations": {"Sojourn": False}}),
]


@pytest.mark.parametrize(("mark", "around"), MARKS)
async def test_history_starts_moves_and_converts_nothing_and_ends_and_refuses(
    harness: Harness, mark: dict[str, Any], around: dict[str, Any]
) -> None:
    await harness.run_campaign(welcome())
    await harness.post("batch", {"batch": [call(user, "Signed Up") for user in ("stays", "closes")]})
    history = [
        call("new", "Signed Up"),
        call("stays", "Page Seen"),
        call("stays", "Order Completed"),
        call("closes", "Order Completed"),
        call("closes", "Account Closed"),
        {"type": "identify", "userId": "new", "traits": {"email": "new@example.com", "consent": {"email": False}}},
    ]
    await harness.post("batch", {"batch": [one | mark for one in history], **around})
    stored = await harness.query("SELECT is_history, count(*) AS number FROM events GROUP BY is_history ORDER BY 1")
    assert stored == [{"is_history": False, "number": 2}, {"is_history": True, "number": 6}]
    assert [reason for _, reason in await entries(harness, "new")] == ["history"]
    states = await harness.query(
        "SELECT user_id, state FROM journeys JOIN profiles ON profiles.id = profile_id ORDER BY user_id"
    )
    assert states == [{"user_id": "closes", "state": "exited"}, {"user_id": "stays", "state": "active"}]
    assert await harness.query("SELECT FROM conversions") == []
    assert await harness.query("SELECT FROM outbox WHERE kind = 'matched'") == []
    [consent] = await harness.query("SELECT consent FROM profiles WHERE user_id = 'new'")
    assert consent["consent"] == {"email": False}
    summaries = [item["summary"] for item in await harness.timeline("stays")]
    assert summaries == ["Signed Up", "entered welcome", "Page Seen (history)", "Order Completed (history)"]
    # The wait goes on: today's event ends it.
    await harness.post("batch", {"batch": [call("stays", "Page Seen")]})
    assert await (await harness.journey("stays")).result() == "looked"


async def test_a_goal_that_is_history_is_not_reached_by_a_later_entry(harness: Harness) -> None:
    await harness.run_campaign(welcome())
    order = {"event": "Order Completed", "timestamp": ago(minutes=1)}
    await harness.post("batch", {"batch": [call("u1", **order, context={"backfill": True}), call("u2", **order)]})
    entered = [call(user, "Signed Up", timestamp=ago(hours=1)) for user in ("u1", "u2")]
    await harness.post("batch", {"batch": entered})
    reached = await harness.query(
        "SELECT user_id FROM conversions JOIN profiles ON profiles.id = conversions.profile_id"
    )
    assert [row["user_id"] for row in reached] == ["u2"]


async def test_integrations_and_context_are_kept(harness: Harness) -> None:
    integrations = {"All": False, "Amplitude": {"session_id": 1_762_000_000_000}}
    around = {"context": {"library": {"name": "analytics-go"}}, "integrations": {"Salesforce": True}}
    one = call("u1", "Seen", integrations=integrations, context={"ip": "192.0.2.1"})
    await harness.post("batch", {"batch": [one], **around})
    [stored] = await harness.query("SELECT integrations, context FROM events")
    assert stored == {
        "integrations": integrations | {"Salesforce": True},
        "context": {"library": {"name": "analytics-go"}, "ip": "192.0.2.1"},
    }
