"""Computed traits over a real database: their definitions, the backfill, and merges."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from msgspec.structs import replace

from application.campaigns import Campaigns
from application.computed_traits import BackfillHandler
from application.operations.runner import OperationRunner
from application.operations.service import OperationService
from domain.access import SOJOURN
from domain.deployment_documents import RuleReader
from domain.errors import ConflictError, InvalidDocumentError
from tests.engine.computed_harness import CHECKS, ComputedHarness, computed_harness, event
from tests.engine.ingesting import statements

ORDERS = "computed:\n  orders: {count: Order Completed}\n"
SPENT = ORDERS + "  spent: {sum: Order Completed, of: event.properties.value}\n"
SEQUENCE = "computed:\n  bought_after_view: {sequence: [Viewed, Order Completed], within: 1h}\n"


async def test_a_definition_goes_on_until_its_rule_changes(database_url: str) -> None:
    async with computed_harness(database_url) as harness:
        first = await harness.apply(ORDERS)
        # Without people there is no history: the trait is ready at once.
        assert first.rules[0]["ready_at"] is not None
        [before] = (await harness.traits()).definitions
        await harness.apply(SPENT)
        assert (await harness.traits()).definitions[0] == before
        await harness.apply(ORDERS.replace("}", ", within: 30d}"))
        [after] = (await harness.traits()).definitions
        assert (after.key, after.rule.within) == ("orders", 30 * 86_400)
        assert after.id != before.id
        await harness.apply("computed: {}\n")
        assert (await harness.traits()).definitions == ()


async def test_a_trait_that_a_campaign_reads_is_neither_removed_nor_of_another_type(database_url: str) -> None:
    async with computed_harness(database_url) as harness:
        await harness.apply(SPENT)
        await harness.run_campaign(
            "key: third\nname: Third\nentry: {event: Order Completed, where: profile.computed.orders == 3}\n"
            "steps: [{id: rest, delay: 30d}]\n"
        )
        for broken in ("computed: {}\n", ORDERS.replace("count", "any")):
            with pytest.raises(ConflictError, match=r"`orders` is read by campaign third \(version 1\): keep it"):
                await harness.apply(broken)
            [orders, spent] = (await harness.plan(broken)).changes
            assert {orders.name: list(orders.read_by), spent.name: list(spent.read_by)} == {
                "orders": [RuleReader("campaign", "third", 1)],
                "spent": [],
            }
        await harness.apply(ORDERS.replace("}", ", within: 30d}"))
        # A journey goes on after the campaign has stopped.
        await harness.ingest(*(event("Order Completed") for _ in range(3)))
        for state in ("stopping", "ended"):
            async with harness.database.transaction() as connection:
                await connection.execute("UPDATE campaigns SET state = %s", (state,))
            with pytest.raises(ConflictError, match="`orders` is read by"):
                await harness.apply("computed: {}\n")
        async with harness.database.transaction() as connection:
            await connection.execute("UPDATE journeys SET state = 'completed', ended_at = now()")
        await harness.apply("computed: {}\n")
        with pytest.raises(ConflictError, match="no longer there: orders"):
            await Campaigns(harness.database, CHECKS).start("third", by=SOJOURN)


async def test_events_of_before_are_counted_once(database_url: str) -> None:
    async with computed_harness(database_url) as harness:
        await harness.ingest(*(event("Order Completed", f"u{number % 3}", value=number) for number in range(7)))
        view = await harness.apply(SPENT)
        assert [rule["ready_at"] for rule in view.rules] == [None, None]
        # A partial count is no answer.
        assert await harness.values("u0") == {}
        await harness.ingest(event("Order Completed", "u0", value=10))
        await harness.backfill()
        await harness.ingest(event("Order Completed", "u1", value=20))
        assert [await harness.values(f"u{number}") for number in range(3)] == [
            {"orders": 4, "spent": 19.0},
            {"orders": 3, "spent": 25.0},
            {"orders": 2, "spent": 7.0},
        ]


async def test_people_who_merge_during_the_backfill_are_counted_once(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of the two was reached before the merge, and the other was not."""
    monkeypatch.setattr("application.computed_traits.PAGE", 1)
    async with computed_harness(database_url) as harness:
        # The first has the smaller id.
        for reached, other in ((("known", None), (None, "a1")), ((None, "a2"), ("late", None))):
            for user, anonymous in (reached, other):
                await harness.ingest(*(event("Order Completed", user, anonymous=anonymous) for _ in range(2)))
        await harness.apply(ORDERS)
        runner = OperationRunner(harness.database, {"backfill": BackfillHandler()})
        for number in range(3):
            assert await runner._next_page()
            if number == 0:
                await harness.ingest(event("Order Completed", "known", anonymous="a1"))
        await harness.ingest(event("Order Completed", "late", anonymous="a2"))
        await harness.backfill()
        assert await harness.values("known") == await harness.values("late") == {"orders": 5}


async def test_a_cancelled_backfill_is_requested_again_by_the_next_apply(database_url: str) -> None:
    async with computed_harness(database_url) as harness:
        await harness.ingest(event("Order Completed"))
        await harness.apply(ORDERS)
        service = OperationService(harness.database)
        [operation] = await service.list(None, limit=10, before=None)
        await service.cancel(operation.id, by=SOJOURN)
        await harness.backfill()
        assert await harness.values() == {}
        await harness.apply(ORDERS)
        await harness.backfill()
        assert await harness.values() == {"orders": 1}


async def test_events_that_arrive_during_the_backfill_are_counted_once(database_url: str) -> None:
    async with computed_harness(database_url) as harness:
        users = [f"u{number}" for number in range(20)]
        await harness.ingest(*(event("Order Completed", user) for user in users))
        await harness.apply(ORDERS)

        async def order() -> None:
            for _ in range(5):
                await harness.ingest(*(event("Order Completed", user) for user in users))

        await asyncio.gather(order(), order(), harness.backfill())
        assert {(await harness.values(user))["orders"] for user in users} == {11}


async def test_a_sequence_is_read_from_the_history(database_url: str) -> None:
    async with computed_harness(database_url) as harness:
        noon = datetime(2026, 11, 1, 12, tzinfo=UTC)
        await harness.ingest(event("Viewed", at=noon), event("Order Completed", at=noon.replace(hour=15)))
        await harness.apply(SEQUENCE)
        await harness.backfill()
        assert await harness.values() == {"bought_after_view": None}
        # A late event completes it in the past.
        await harness.ingest(event("Viewed", at=noon.replace(hour=14, minute=30)))
        assert await harness.values() == {"bought_after_view": noon.replace(hour=15)}


THIRD_ORDER = """
key: third-order
name: Third order
entry: {event: Order Completed, where: profile.computed.orders == 3, reentry: always}
steps: [{id: rest, delay: 30d}]
"""


async def test_a_condition_sees_its_event_counted_exactly_once_under_many_processes(database_url: str) -> None:
    """Each of the orders is reported by every process; some in one batch, some in several."""
    users = [f"u{number}" for number in range(4)]
    orders = [[event("Order Completed", user) for _ in range(5)] for user in users]
    async with AsyncExitStack() as stack:
        processes = [await stack.enter_async_context(computed_harness(database_url, pool_size=1)) for _ in range(20)]
        await processes[0].apply(ORDERS)
        await processes[0].run_campaign(THIRD_ORDER)

        async def report(number: int, process: ComputedHarness) -> None:
            for each in orders[number % 4 :] + orders[: number % 4]:
                again = [replace(one, id=uuid4()) for one in each]
                for part in (again,) if number % 2 else ([one] for one in again):
                    await process.ingest(*part)

        await asyncio.gather(*(report(number, process) for number, process in enumerate(processes)))
        assert await processes[0].entered() == users
        assert {(await processes[0].values(user))["orders"] for user in users} == {5}


async def test_events_that_no_trait_counts_cost_nothing_more(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with computed_harness(database_url) as harness:
        sent: dict[str, list[str]] = {}
        for case in ("without", "with"):
            if case == "with":
                await harness.apply(SPENT)
            # The first batch after a change reads the definitions.
            await harness.ingest(event("Viewed"), event("Viewed", "u2"))
            with statements(monkeypatch) as sent[case]:
                await harness.ingest(event("Viewed"), event("Viewed", "u2"), event(None, "u2", type="page"))
        assert sent["with"] == sent["without"]
        with statements(monkeypatch) as counted:
            await harness.ingest(event("Viewed"), *(event("Order Completed") for _ in range(5)))
        # One lock of the person with one read, and one write, for any number of events.
        assert len(counted) == len(sent["without"]) + 3


async def test_a_campaign_is_checked_by_the_traits_in_force(database_url: str) -> None:
    document = (
        "key: third\nname: Third\n"
        "entry: {event: Order Completed, where: profile.computed.order == 3}\n"
        "steps: [{id: rest, delay: 1h}]\n"
    )
    async with computed_harness(database_url) as harness:
        with pytest.raises(InvalidDocumentError) as caught:
            await harness.run_campaign(document)
        assert "apply that first" in caught.value.problems[0].suggestion
        await harness.apply(ORDERS)
        with pytest.raises(InvalidDocumentError) as caught:
            await harness.run_campaign(document)
        [problem] = caught.value.problems
        assert (problem.line, problem.path) == (3, "entry.where")
        assert "Did you mean `orders`?" in problem.suggestion
        await harness.run_campaign(document.replace("order ==", "orders =="))
