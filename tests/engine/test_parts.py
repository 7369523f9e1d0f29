"""A batch beyond the work of one transaction is taken in parts, in order, and a repeat of it is harmless."""

from typing import Any

import psycopg
import pytest

from application import routing
from application.ingest import MAX_TRAITS_SAID, Ingest, IngestResult
from application.ingest_claims import BatchPart
from domain.people.profile_state import MAX_TRAITS
from domain.tracking.event import Event
from tests.engine.campaigns import CART
from tests.engine.ingesting import AT, event, sizes_of_parts
from tests.harness import Harness

USERS = 6
JOURNEYS = (
    "SELECT user_id, entry_key, state, entry ->> 'message_id' AS entry FROM journeys "
    "JOIN profiles ON profiles.id = profile_id ORDER BY user_id, entry_key, journeys.id"
)


def batch() -> list[Event]:
    """Each abandons a cart, orders it, and abandons another."""
    return [
        event("track", f"u{user}", name=name, value=200, cart_id=cart)
        for name, cart in (("Cart Abandoned", "c1"), ("Order Completed", "c1"), ("Cart Abandoned", "c2"))
        for user in range(USERS)
    ]


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many events each transaction was to take; all but those that were too many are committed."""
    monkeypatch.setattr(routing, "MAX_WORK", 10)
    return sizes_of_parts(monkeypatch)


async def test_it_comes_to_the_same_as_in_one_transaction(harness: Harness, ingest: Ingest, parts: list[int]) -> None:
    await harness.run_campaign(CART)
    events = batch()
    result = await ingest(events, received_at=AT)
    assert (result.accepted, result.duplicates) == (len(events), [])
    assert len(parts) > 3
    assert [(row["user_id"], row["entry_key"], row["state"]) for row in await harness.query(JOURNEYS)] == [
        (f"u{user}", key, state) for user in range(USERS) for key, state in (("c1", "exited"), ("c2", "active"))
    ]
    stored = await harness.query("SELECT message_id FROM events ORDER BY recorded_at")
    assert [row["message_id"] for row in stored] == [one.message_id for one in events]


async def test_what_follows_from_an_event_stays_with_it(harness: Harness, ingest: Ingest, parts: list[int]) -> None:
    """One identify changes so much that it is more than the work of a transaction, and is taken alone."""
    for number in range(6):
        entry = f"{{changed: profile.traits.t{number}, where: event.properties.after == 1}}"
        steps = "[{id: rest, delay: 1d}]"
        await harness.run_campaign(f"key: c{number}\nname: N\nentry: {entry}\nsteps: {steps}\n")
    traits: dict[str, Any] = {f"t{number}": 1 for number in range(6)}
    calls = [event("identify", f"u{user}", **traits) for user in range(4)]
    assert (await ingest(calls, received_at=AT)).accepted == len(calls)
    assert len(await harness.journeys.all()) == 6 * 4
    assert parts[0] == len(calls)
    assert parts.count(1) >= 2


async def test_people_of_whom_much_is_said_are_taken_in_parts(
    harness: Harness, ingest: Ingest, parts: list[int]
) -> None:
    traits: dict[str, Any] = {f"t{number}": number for number in range(MAX_TRAITS_SAID // 2 + 1)}
    calls = [event("identify", f"u{user}", **(traits if user < 3 else {"t0": 0})) for user in range(8)]
    result = await ingest(calls, received_at=AT)
    assert result.accepted == len(calls)
    assert parts == [1, 1, 6], "each of the first three with those that fit in beside it"
    people = await harness.query("SELECT (SELECT count(*) FROM jsonb_object_keys(traits)) AS traits FROM profiles")
    assert sorted(row["traits"] for row in people) == [1] * 5 + [MAX_TRAITS] * 3


async def test_consents_count_as_what_is_said(ingest: Ingest, parts: list[int]) -> None:
    consent = {f"c{number}": True for number in range(50)}
    calls = [event("identify", f"u{user}", consent=consent) for user in range(120)]
    await ingest(calls, received_at=AT)
    assert parts == [98, 22], "of each, fifty channels and the consent itself"


async def test_what_dies_between_two_parts_is_taken_up_by_the_repeat(
    harness: Harness, ingest: Ingest, parts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    await harness.run_campaign(CART)
    events = batch()
    ingest_part = Ingest._ingest_part
    committed = 0

    async def dies(self: Ingest, part: BatchPart) -> IngestResult:
        nonlocal committed
        if committed:
            raise psycopg.OperationalError("the database is away")
        result = await ingest_part(self, part)
        committed = len(part.events)
        return result

    with monkeypatch.context() as patch:
        patch.setattr(Ingest, "_ingest_part", dies)
        with pytest.raises(psycopg.OperationalError):
            await ingest(events, received_at=AT)
    assert 0 < committed < len(events)
    assert len(await harness.query("SELECT 1 FROM events")) == committed
    result = await ingest(events, received_at=AT)
    assert (result.accepted, result.duplicates) == (
        len(events) - committed,
        [one.message_id for one in events[:committed]],
    )
    assert [(row["user_id"], row["entry_key"], row["state"]) for row in await harness.query(JOURNEYS)] == [
        (f"u{user}", key, state) for user in range(USERS) for key, state in (("c1", "exited"), ("c2", "active"))
    ]


async def test_a_false_condition_is_kept_by_no_row_and_told_by_the_timeline(harness: Harness) -> None:
    before = await harness.track("u1", "Cart Abandoned", {"value": 1, "cart_id": "c0"})
    await harness.run_campaign(CART)
    await harness.track("u1", "Cart Abandoned", {"value": 1, "cart_id": "c1"})
    await harness.track("u1", "Cart Abandoned", {"value": "much", "cart_id": "c2"})
    await harness.track("u1", "Cart Abandoned", {"value": 200, "cart_id": "c3"})
    kept = await harness.decisions.all()
    assert [(row["outcome"], row["reason"]) for row in kept] == [("refused", "condition"), ("entered", None)]
    items = await harness.timeline("u1")
    assert [(item["kind"], item["outcome"]) for item in items] == [
        ("event", None),
        ("event", None),
        ("entry", "refused"),
        ("event", None),
        ("entry", "refused"),
        ("event", None),
        ("entry", "entered"),
    ]
    assert items[0]["data"]["message_id"] == before
    worked_out = items[2]
    assert worked_out["summary"] == "not let into cart: condition not met: event.properties.value > 100"
    assert (worked_out["data"]["event_id"], worked_out["data"]["version"]) == (items[1]["data"]["event_id"], 1)
    assert "worked_out" not in items[4]["data"]


async def test_a_timeline_waits_for_no_work_on_its_person(harness: Harness) -> None:
    await harness.run_campaign(CART)
    await harness.identify("u1", email="ada@example.com")
    await harness.track("u1", "Cart Abandoned", {"value": 1, "cart_id": "c1"})
    await harness.track("u1", "Cart Abandoned", {"value": 200, "cart_id": "c2"})
    before = await harness.timeline("u1")
    async with harness.database.transaction() as connection:
        for table in ("profiles", "identities", "addresses", "events", "journeys", "decisions"):
            await connection.execute(f"SELECT 1 FROM {table} FOR UPDATE")  # noqa: S608 -- the tables above
        assert await harness.timeline("u1") == before
    assert "worked_out" in before[2]["data"]
