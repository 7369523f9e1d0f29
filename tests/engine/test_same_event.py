"""An event that ends a journey and starts the next one of the same campaign, both in one transaction."""

from typing import Any

from tests.harness import Harness, ago

SILENCE = """
key: silence
name: Silence
entry: {event: Seen}
exit: [{event: Seen}]
steps:
  - {id: silent, delay: 30d}
  - {id: miss-you, send: {channel: email, template: note}}
"""


def seen(id: str, hours_ago: int) -> dict[str, Any]:
    return {"type": "track", "messageId": id, "userId": "u1", "event": "Seen", "timestamp": ago(hours=hours_ago)}


async def journeys(harness: Harness) -> list[tuple[str, str, str | None]]:
    """The event that started each, its state, and the event that ended it."""
    rows = await harness.query(
        "SELECT entry->>'message_id' AS entry, state, events.message_id AS ended_by FROM journeys "
        "LEFT JOIN events ON events.id::text = ended_by ORDER BY journeys.id"
    )
    return [(row["entry"], row["state"], row["ended_by"]) for row in rows]


async def test_it_ends_the_one_that_waited_and_starts_another(harness: Harness) -> None:
    await harness.run_campaign(SILENCE)
    await harness.post("batch", {"batch": [seen("e1", 3)]})
    first = await harness.journey("u1")
    await harness.post("batch", {"batch": [seen("e2", 2)]})
    assert await first.result() == "exited"
    assert await journeys(harness) == [("e1", "exited", "e2"), ("e2", "active", None)]
    assert (await harness.journey("u1")).id != first.id


async def test_two_in_one_batch_leave_the_last(harness: Harness) -> None:
    await harness.run_campaign(SILENCE)
    await harness.post("batch", {"batch": [seen("e1", 3)]})
    await harness.post("batch", {"batch": [seen("e2", 2), seen("e3", 1)]})
    assert await journeys(harness) == [("e1", "exited", "e2"), ("e2", "exited", "e3"), ("e3", "active", None)]
    timeline = await harness.timeline("u1")
    message_ids = {item["data"]["event_id"]: item["data"]["message_id"] for item in timeline if item["kind"] == "event"}
    decisions = [item for item in timeline if item["kind"] != "event"]
    assert [(item["kind"], message_ids[item["data"]["event_id"]]) for item in decisions] == [
        ("entry", "e1"),
        ("exit", "e2"),
        ("entry", "e2"),
        ("exit", "e3"),
        ("entry", "e3"),
    ]


async def test_one_that_happened_before_the_journey_leaves_it_alone(harness: Harness) -> None:
    await harness.run_campaign(SILENCE)
    await harness.post("batch", {"batch": [seen("e2", 2)]})
    await harness.post("batch", {"batch": [seen("e1", 3)]})
    assert await journeys(harness) == [("e2", "active", None)]
