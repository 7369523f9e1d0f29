"""People who are late by their own rhythm are found in time, each by their own measure."""

from datetime import UTC, datetime, timedelta

from tests.engine.computed_harness import event
from tests.engine.segment_harness import segment_harness

DOCUMENT = "computed:\n  order_rhythm: {rhythm: Order Completed}\n"


async def test_each_is_late_by_their_own_measure_at_the_instant(database_url: str) -> None:
    now = datetime.now(UTC)
    async with segment_harness(database_url) as harness:
        harness.set_clock(now)
        await harness.apply(DOCUMENT)
        await harness.put(late="profile.computed.order_rhythm >= 2")
        await harness.run_campaign(
            """
            {key: back, name: Back, entry: {joins: late}, exit: [{leaves: late}], steps: [{id: rest, delay: 60d}]}
            """
        )
        for gap, user in ((1, "daily"), (7, "weekly")):
            for number in (2, 1, 0):
                await harness.ingest(event("Order Completed", user, at=now - timedelta(days=gap * number)))
        await harness.ingest(event("Order Completed", "new", at=now))
        for passed, late in (
            (timedelta(days=2, microseconds=-1), []),
            (timedelta(days=2), ["daily"]),
            (timedelta(days=14, microseconds=-1), ["daily"]),
            (timedelta(days=14), ["daily", "weekly"]),
        ):
            harness.set_clock(now + passed)
            await harness.sweep()
            assert (await harness.members()).get("late", []) == late
        assert await harness.journeys() == {"daily": "active", "weekly": "active"}
        later = now + timedelta(days=14)
        await harness.ingest(event("Order Completed", "daily", at=later), at=later)
        assert await harness.members() == {"late": ["weekly"]}
        assert await harness.journeys() == {"daily": "exited", "weekly": "active"}
        # After ten gaps nothing changes by time any more.
        harness.set_clock(now + timedelta(days=300))
        await harness.sweep()
        assert await harness.count("profile_states WHERE next_at IS NOT NULL") == 0
