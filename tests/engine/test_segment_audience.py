"""An audience that requires a segment looks at its members alone."""

import pytest

from application.operations.enrol import EnrolHandler
from domain.people.segments.references import find_required
from store import operations
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


async def enrol(harness: SegmentHarness) -> tuple[int, int, dict[str, int]]:
    """How many an operation counts and examines, and with what outcomes."""
    handler = EnrolHandler(harness.catalogue)
    async with harness.database.transaction() as connection:
        [operation] = await operations.open_operations(connection, "news")
        total = await handler.total(connection, operation)
    async with harness.database.transaction() as connection:
        page = await handler.page(connection, operation)
    assert page.is_last
    return total, page.done, page.counts


async def test_only_members_are_looked_at(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        for number, plan in enumerate(("pro", "free", "pro", "free")):
            await harness.ingest(event(None, f"u{number}", type="identify", plan=plan))
        await harness.put(vip='profile.traits.plan == "pro"')
        await harness.operate()
        audience = '\'"vip" in profile.segments && profile.user_id != "u0"\''
        await harness.run_campaign(
            f"key: news\nname: News\nentry: {{audience: {{where: {audience}}}}}\nsteps: [{{id: rest, delay: 30d}}]\n"
        )
        assert await enrol(harness) == (2, 2, {"entered": 1, "not_in_audience": 1})
        assert await harness.entered() == ["u2"]
