"""The worker's consumer counts each event once, and bounds the names that a client invents."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from application.catalogue import Catalogue
from application.consumers import consume_page
from application.data_plan import DataPlan, DataPlanConsumer, find_never_seen
from application.deployment_documents import DeploymentDocuments
from application.ingest import Ingest
from domain.data_plan.events_document import parse_events
from domain.data_plan.seen import MAX_NAMES
from domain.deployment_documents import COMPUTED, DECLARED_EVENTS
from domain.document.yaml_source import read
from domain.tracking.event import Event
from store import documents, seen, violations
from store.database import Database
from tests.engine.computed_harness import CHECKS
from tests.harness import PATIENCE

NOW = datetime.now(UTC)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, pool_size=4) as opened:
        yield opened


def event(name: str, source: str = "shop", **properties: object) -> Event:
    return Event(
        id=uuid4(),
        source=source,
        message_id=str(uuid4()),
        type="track",
        name=name,
        user_id="u-1",
        anonymous_id=None,
        properties=dict(properties),
        context={},
        timestamp=NOW,
    )


async def ingest(database: Database, events: list[Event]) -> None:
    await Ingest(database, Catalogue())(events, received_at=NOW)


async def consume(database: Database, count: int, consumer: DataPlanConsumer | None = None) -> None:
    """Consume until there were so many rows; transactions of other tests may still be open."""
    async with asyncio.timeout(PATIENCE):
        while count > 0:
            consumed = await consume_page(database, consumer or DataPlanConsumer())
            assert consumed is not None
            count -= consumed.number
            await asyncio.sleep(0 if consumed.number else 0.02)
    assert count == 0


async def test_events_are_counted_by_source_type_and_name(database: Database) -> None:
    await ingest(database, [event("A", value=1), event("B"), event("A", value="x"), event("A", source="app")])
    await consume(database, 4)
    await ingest(database, [event("A", value=2)])
    await consume(database, 1)
    plan = DataPlan(database)
    found = await plan.list_seen(limit=10)
    assert [(one.key.source, one.key.name, one.seen.count) for one in found] == [
        ("app", "A", 1),
        ("shop", "A", 3),
        ("shop", "B", 1),
    ]
    assert found[1].seen.properties["value"].types == {"integer": 2, "string": 1}
    assert [one.key for one in await plan.list_seen(limit=10, after=found[0].key)] == [one.key for one in found[1:]]
    assert [one.key for one in await plan.list_seen(limit=10, name="B")] == [found[2].key]
    async with database.transaction() as connection:
        assert await seen.count_recent(connection, NOW) == {("track", "A"): 4, ("track", "B"): 1}


async def test_invented_names_are_counted_together(database: Database) -> None:
    await ingest(database, [event(f"invented {number}") for number in range(MAX_NAMES + 50)])
    await consume(database, MAX_NAMES + 50)
    await ingest(database, [event("late"), event("invented 7"), event("ada@example.com"), event("late", source="app")])
    await consume(database, 4)
    found = await DataPlan(database).list_seen(limit=MAX_NAMES + 50)
    assert len(found) == MAX_NAMES + 2
    rest = found[-1]
    assert (rest.key.is_rest, rest.key.name, rest.seen.count, rest.seen.properties) == (True, "", 52, {})
    assert {one.key.name: one.seen.count for one in found}["invented 7"] == 2


async def test_departures_from_what_is_declared_are_counted(database: Database) -> None:
    rules = parse_events("closed: true\nevents: {A: {properties: {value: number}}}\n", "events.yaml")
    consumer = DataPlanConsumer()
    await ingest(database, [event("A", value="before")])
    await consume(database, 1, consumer)
    async with database.transaction() as connection:
        await documents.put(connection, DECLARED_EVENTS, "1", rules, "test")
    await ingest(database, [event("A", value="x"), event("A", value=1), event("B"), event("A", value="y")])
    await consume(database, 4, consumer)
    await ingest(database, [event("A", value="z")])
    await consume(database, 1, consumer)
    found = await DataPlan(database).list_violations(limit=10)
    assert {(one.violation.name, one.violation.text): one.count for one in found} == {
        ("A", "value is a string instead of a number"): 3,
        ("B", "the name is not declared"): 1,
    }
    assert await DataPlan(database).list_violations(limit=10, name="C") == []


async def test_kinds_of_violations_are_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(violations, "MAX_KEPT", 3)
    rules = parse_events("closed: true\nevents: {A: {}}\n", "events.yaml")
    async with database.transaction() as connection:
        await documents.put(connection, DECLARED_EVENTS, "1", rules, "test")
    for _ in range(2):
        await ingest(database, [event(f"invented {number}") for number in range(10)])
        await consume(database, 10)
    found = await DataPlan(database).list_violations(limit=10)
    assert sorted(one.count for one in found) == [2, 2, 2]


async def test_a_campaign_is_warned_about_names_that_were_never_reported(database: Database) -> None:
    source = read("entry: {event: Order Complete}\nexit: [{event: Told}]\n", "cart.yaml")
    async with database.transaction() as connection:
        assert await find_never_seen(connection, source, []) == []
    await ingest(database, [event("Order Completed"), event("Order Completed", source="app")])
    await consume(database, 2)
    async with database.transaction() as connection:
        found = await find_never_seen(connection, source, [])
    assert [one.suggestion for one in found] == [
        "Did you mean `Order Completed`, 2 times in 7 days?",
        "It takes effect once it is; `sojourn events seen` shows those that are",
    ]


@pytest.mark.parametrize("name", ["Email Replied", "Email Marked as Spam", "Unsubscribed", "Subscription Confirmed"])
async def test_events_that_sojourn_reports_need_no_report_before(database: Database, name: str) -> None:
    await ingest(database, [event("Email Opened"), event("Order Completed")])
    await consume(database, 2)
    async with database.transaction() as connection:
        assert await find_never_seen(connection, read(f"exit: [{{event: {name}}}]\n", "a.yaml"), []) == []
        # A mistyped one is still warned of.
        assert await find_never_seen(connection, read(f"exit: [{{event: {name}s}}]\n", "a.yaml"), []) != []


COUNTED = """\
computed:
  orders: {count: Order Complete}
  path: {sequence: [Cart Viewed, Order Completed], within: 1d}
  seen: {last: {page: Cart Viewed}}
  active: {any: '*', within: 7d}
"""


async def test_a_computed_trait_of_names_never_reported_is_warned_of(database: Database) -> None:
    async def warnings() -> list[tuple[int, str, str, str]]:
        plan = await DeploymentDocuments(database, CHECKS).plan(COMPUTED, COUNTED, "computed.yaml")
        return [(one.line, one.path, one.message, one.suggestion) for one in plan.warnings]

    # Nothing was ever reported: there is nothing to compare with.
    assert await warnings() == []
    await ingest(database, [event("Order Completed"), event("Cart Viewed")])
    await consume(database, 2)
    found = await warnings()
    assert [(line, path, said) for line, path, said, _ in found] == [
        (2, "computed.orders.count", "the event `Order Complete` was never reported"),
        (4, "computed.seen.last", "the page `Cart Viewed` was never reported"),
    ]
    assert [remedy.split(",")[0] for *_, remedy in found] == [
        "Did you mean `Order Completed`",
        "Did you mean the event of this name",
    ]
