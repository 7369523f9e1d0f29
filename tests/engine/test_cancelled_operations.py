"""Operations that are cancelled: what waits for them says so, and the next apply goes on where they ended."""

from datetime import UTC, datetime, timedelta

import pytest

from application.operations.runner import OperationRunner
from application.operations.service import OperationService
from application.rfm_scores import ScoreHandler
from application.segment_documents import SegmentDocuments
from domain.access import SOJOURN
from domain.operations import OperationKind
from domain.people.segment_document import SegmentSource
from store import operations
from tests.engine.computed_harness import CHECKS, event
from tests.engine.rfm_harness import NIGHT, rfm_harness
from tests.engine.segment_harness import SegmentHarness, segment_harness

USERS = [f"u{number}" for number in range(7)]
TRAITS = "computed:\n  orders: {count: Order Completed}\n"
PRO = SegmentSource("key: pro\nname: Pro\nwhere: profile.traits.plan == 'pro'\n", "pro.yaml")
BUYERS = SegmentSource("key: buyers\nname: Buyers\nwhere: profile.computed.orders >= 1\n", "buyers.yaml")
ALL = SegmentSource("key: all\nname: All\nwhere: 'true'\n", "all.yaml")


async def cancel(harness: SegmentHarness, kind: OperationKind) -> None:
    """Cancel the only open operation of a kind."""
    async with harness.database.transaction() as connection:
        [operation] = await operations.list_open(connection, kind)
    await OperationService(harness.database).cancel(operation.id, by=SOJOURN)


async def states(harness: SegmentHarness) -> dict[str, str]:
    return {one.key: one.state for one in await segments_of(harness).list_all()}


def segments_of(harness: SegmentHarness) -> SegmentDocuments:
    return SegmentDocuments(harness.database, CHECKS, "UTC")


async def test_a_segment_whose_judgement_was_cancelled_is_judged_by_the_next_apply(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("application.segments.PAGE", 3)
    async with segment_harness(database_url) as harness:
        await harness.ingest(*(event(None, user, type="identify", plan="pro") for user in USERS))
        documents = segments_of(harness)
        await documents.apply([PRO], by=SOJOURN)
        assert await states(harness) == {"pro": "building"}
        await cancel(harness, "judge")
        [view] = await documents.list_all()
        assert (view.state, view.progress, view.members) == ("cancelled", None, 0)
        await harness.operate()
        # Who changes meanwhile is judged, as during the operation.
        await harness.ingest(event(None, USERS[3], type="identify", plan="pro", city="Rome"))
        assert await harness.members() == {"pro": [USERS[3]]}
        assert await states(harness) == {"pro": "cancelled"}
        await documents.apply([PRO], by=SOJOURN)
        # Once: it is under way already.
        await documents.apply([PRO], by=SOJOURN)
        assert await states(harness) == {"pro": "building"}
        assert await harness.count("operations WHERE finished_at IS NULL") == 1
        await harness.operate()
        assert await states(harness) == {"pro": "ready"}
        assert await harness.members() == {"pro": USERS}
        assert len(await harness.changes()) == len(USERS)


async def test_another_segments_pass_does_not_stand_for_a_cancelled_one(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.ingest(*(event(None, user, type="identify", plan="pro") for user in USERS))
        documents = segments_of(harness)
        await documents.apply([ALL], by=SOJOURN)
        await documents.apply([PRO], by=SOJOURN)
        async with harness.database.transaction() as connection:
            [_, latest] = await operations.list_open(connection, "judge")
        await OperationService(harness.database).cancel(latest.id, by=SOJOURN)
        assert await states(harness) == {"all": "building", "pro": "cancelled"}
        await documents.apply([PRO], by=SOJOURN)
        assert await states(harness) == {"all": "building", "pro": "building"}
        await harness.operate()
        assert await states(harness) == {"all": "ready", "pro": "ready"}


async def test_a_segment_whose_traits_are_not_counted_any_more_goes_on_with_their_next_apply(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.ingest(*(event("Order Completed", user) for user in USERS))
        await harness.apply(TRAITS)
        await segments_of(harness).apply([BUYERS], by=SOJOURN)
        assert await states(harness) == {"buyers": "waiting"}
        await cancel(harness, "backfill")
        await harness.operate()
        assert await states(harness) == {"buyers": "cancelled"}
        await harness.apply(TRAITS)
        assert await states(harness) == {"buyers": "waiting"}
        await harness.operate()
        assert await states(harness) == {"buyers": "ready"}
        assert await harness.members() == {"buyers": USERS}


async def test_scores_whose_orders_are_not_counted_any_more_say_so_and_go_on_with_the_next_apply(
    database_url: str,
) -> None:
    async with rfm_harness(database_url) as harness:
        now = datetime.now(UTC)
        harness.set_clock(now)
        await harness.order(
            {f"u{number}": [(now - timedelta(days=number % 9), 1.0)] * (1 + number % 5) for number in range(110)}
        )
        await harness.put_rfm()
        assert (await harness.numbers()).refusal == "earlier orders are being counted"
        await cancel(harness, "backfill")
        refusal = (await harness.numbers()).refusal
        assert refusal is not None
        assert "was cancelled" in refusal
        # The operation that scores waits for nothing that does not come.
        await harness.operate()
        assert await harness.count("operations WHERE finished_at IS NULL") == 0
        await harness.pass_midnight()
        assert (await harness.numbers()).refusal == refusal
        await harness.apply_rfm()
        numbers = await harness.numbers()
        assert (numbers.refusal, numbers.buyers) == (None, 110)
        assert sum(segment.people for segment in numbers.segments) == 110
        # Nothing was cancelled: the same document requests nothing.
        requested = await harness.count("operations")
        await harness.put_rfm()
        assert await harness.count("operations") == requested


async def test_people_whom_new_breakpoints_have_not_judged_are_by_the_next_apply(database_url: str) -> None:
    async with rfm_harness(database_url) as harness:
        now = datetime.now(UTC)
        harness.set_clock(now)
        orders = {f"u{number}": [(now - timedelta(days=number % 9), 1.0)] * (1 + number % 5) for number in range(110)}
        await harness.order(orders)
        await harness.apply_rfm()
        before = await harness.members()
        night = now + NIGHT
        harness.set_clock(night)
        for user in list(orders)[:60]:
            await harness.ingest(event("Order Completed", user, at=night, value=1), at=night)
        await harness.request_scores()
        await OperationRunner(harness.database, {"score": ScoreHandler()}).work_on_deployment()
        await cancel(harness, "judge")
        await harness.operate()
        assert (await states(harness))["rfm.champions"] == "cancelled"
        await harness.apply_rfm()
        assert (await states(harness))["rfm.champions"] == "ready"
        members = await harness.members()
        assert members != before
        assert sum(len(users) for users in members.values()) == len(orders)
