"""An audience that requires a segment looks at its members alone."""

import pytest

from application.approval_gate import ApprovalGate
from application.operations.enrol import EnrolHandler
from domain.people.segments.references import find_required
from store import operations
from store.operations import Page
from tests.engine.computed_harness import event
from tests.engine.segment_harness import SegmentHarness, segment_harness


@pytest.mark.parametrize(
    ("where", "segment"),
    [
        ('"vip" in profile.segments', "vip"),
        ('profile.traits.plan == "pro" && ("vip" in profile.segments && account.id != null)', "vip"),
        ('"vip" in profile.segments || profile.user_id != null', None),
        ('!("vip" in profile.segments)', None),
        ('profile.traits.plan in ["pro"]', None),
    ],
)
def test_a_condition_may_require_a_segment(where: str, segment: str | None) -> None:
    assert find_required(where) == segment


async def enrol(harness: SegmentHarness) -> tuple[int, Page]:
    """How many an operation counts, and a page of it."""
    handler = EnrolHandler(harness.catalogue, ApprovalGate(harness.database))
    async with harness.database.transaction() as connection:
        [operation] = await operations.open_operations(connection, "news")
        total = await handler.total(connection, operation)
    async with harness.database.transaction() as connection:
        return total, await handler.page(connection, operation)


async def run_news(harness: SegmentHarness, where: str) -> None:
    await harness.run_campaign(
        f"key: news\nname: News\nentry: {{audience: {{where: {where}}}}}\nsteps: [{{id: rest, delay: 30d}}]\n"
    )


async def test_only_members_are_looked_at(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        for number, plan in enumerate(("pro", "free", "pro", "free")):
            await harness.ingest(event(None, f"u{number}", type="identify", plan=plan))
        await harness.put(vip='profile.traits.plan == "pro"')
        await harness.operate()
        await run_news(harness, '\'"vip" in profile.segments && profile.user_id != "u0"\'')
        total, page = await enrol(harness)
        assert (total, page.done, page.is_last) == (2, 2, True)
        assert page.counts == {"entered": 1, "not_in_audience": 1}
        assert await harness.entered() == ["u2"]


@pytest.mark.parametrize("where", ["'\"vip\" in profile.segments'", "'!(\"vip\" in profile.segments)'"])
async def test_an_audience_waits_until_everyone_was_judged_by_its_segments(database_url: str, where: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.apply("computed:\n  orders: {count: Order Completed}\n")
        await harness.ingest(event("Order Completed"), event("Viewed", "u2"))
        await harness.put(vip="profile.computed.orders >= 1", other='profile.traits.plan == "pro"')
        await run_news(harness, where)
        _, page = await enrol(harness)
        assert (page.done, page.is_last, page.pause > 0) == (0, False, True)
        await harness.operate()
        # Other segments are not waited for.
        await harness.put(other="profile.user_id != null")
        _, page = await enrol(harness)
        assert (page.counts["entered"], page.is_last) == (1, True)
        assert await harness.entered() == (["u2"] if where.startswith("'!") else ["u1"])


async def test_an_audience_does_not_wait_for_a_cancelled_judgement(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.ingest(event(None, "u1", type="identify", plan="pro"))
        await harness.put(vip='profile.traits.plan == "pro"')
        async with harness.database.transaction() as connection:
            [judge] = await operations.list_open(connection, "judge")
            await operations.cancel(connection, judge.id)
        await run_news(harness, "'\"vip\" in profile.segments'")
        _, page = await enrol(harness)
        assert (page.done, page.is_last) == (0, True)
