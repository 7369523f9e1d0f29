"""An event that ends a journey and starts the next one of the same campaign, both in one transaction."""

from typing import Any

from tests.harness import Rig, ago

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


async def journeys(rig: Rig) -> list[tuple[str, str, str | None]]:
    """The event that started each, its state, and the event that ended it."""
    rows = await rig.query(
        "SELECT entry->>'message_id' AS entry, state, events.message_id AS ended_by FROM journeys "
        "LEFT JOIN events ON events.id::text = ended_by ORDER BY journeys.id"
    )
    return [(row["entry"], row["state"], row["ended_by"]) for row in rows]


async def test_it_ends_the_one_that_waited_and_starts_another(rig: Rig) -> None:
    await rig.run_campaign(SILENCE)
    await rig.post("batch", {"batch": [seen("e1", 3)]})
    first = await rig.journey("u1")
    await rig.post("batch", {"batch": [seen("e2", 2)]})
    assert await first.result() == "exited"
    assert await journeys(rig) == [("e1", "exited", "e2"), ("e2", "active", None)]
    assert (await rig.journey("u1")).id != first.id


async def test_two_in_one_batch_leave_the_last(rig: Rig) -> None:
    await rig.run_campaign(SILENCE)
    await rig.post("batch", {"batch": [seen("e1", 3)]})
    await rig.post("batch", {"batch": [seen("e2", 2), seen("e3", 1)]})
    assert await journeys(rig) == [("e1", "exited", "e2"), ("e2", "exited", "e3"), ("e3", "active", None)]
    timeline = await rig.timeline("u1")
    message_ids = {item["data"]["event_id"]: item["data"]["message_id"] for item in timeline if item["kind"] == "event"}
    decisions = [item for item in timeline if item["kind"] != "event"]
    assert [(item["kind"], message_ids[item["data"]["event_id"]]) for item in decisions] == [
        ("entry", "e1"),
        ("exit", "e2"),
        ("entry", "e2"),
        ("exit", "e3"),
        ("entry", "e3"),
    ]


async def test_one_that_happened_before_the_journey_leaves_it_alone(rig: Rig) -> None:
    await rig.run_campaign(SILENCE)
    await rig.post("batch", {"batch": [seen("e2", 2)]})
    await rig.post("batch", {"batch": [seen("e1", 3)]})
    assert await journeys(rig) == [("e2", "active", None)]
