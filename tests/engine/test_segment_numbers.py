"""Segments by day, and two of them together, beside numbers counted person by person."""

from datetime import UTC, date, datetime, timedelta
from random import Random, randrange
from zoneinfo import ZoneInfo

import pytest

from application.merges import Merges
from application.segment_numbers import SegmentNumbers
from domain.access import SOJOURN
from domain.errors import NotFoundError
from store.segment_numbers import SegmentDay, SegmentOverlap
from tests.engine.computed_harness import event
from tests.engine.segment_harness import SegmentHarness, segment_harness

ZONE = "Pacific/Auckland"
BEGINS = datetime(2026, 3, 2, 9, tzinfo=UTC)


def numbers(harness: SegmentHarness) -> SegmentNumbers:
    return SegmentNumbers(harness.database, harness.catalogue, ZONE)


async def test_each_day_has_its_members_and_changes(database_url: str) -> None:
    seed = randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    draw = Random(seed)
    async with segment_harness(database_url) as harness:
        harness.set_clock(BEGINS)
        await harness.put(pro='profile.traits.plan == "pro"')
        plans: dict[str, str] = {}
        expected: dict[date, SegmentDay] = {}
        at = BEGINS
        for _ in range(60):
            at += timedelta(hours=draw.randrange(1, 8))
            harness.set_clock(at)
            user, plan = draw.choice("abcdef"), draw.choice(("pro", "free"))
            await harness.ingest(event(None, user, type="identify", plan=plan, at=at), at=at)
            was, plans[user] = plans.get(user), plan
            day = at.astimezone(ZoneInfo(ZONE)).date()
            joined = plan == "pro" and was != "pro"
            left = plan != "pro" and was == "pro"
            before = expected.get(day, SegmentDay(day, 0, 0, 0))
            members = list(plans.values()).count("pro")
            expected[day] = SegmentDay(day, members, before.joined + joined, before.left + left)
        days = (at.astimezone(ZoneInfo(ZONE)).date() - min(expected)).days + 1
        found = await numbers(harness).trend("pro", days)
        assert [one.day for one in found] == [found[0].day + timedelta(days=one) for one in range(days)]
        last = 0
        for one in found:
            assert one == expected.get(one.day, SegmentDay(one.day, last, 0, 0))
            last = one.members
        assert await numbers(harness).trend("pro", 3) == found[-3:]


async def test_a_merged_person_counts_once(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.put(known="profile.user_id != null")
        await harness.ingest(event("Viewed", "u1"), event("Viewed", "u2"))
        [today] = await numbers(harness).trend("known", 1)
        assert (today.members, today.joined, today.left) == (2, 2, 0)
        await Merges(harness.database, harness.catalogue).merge("u1", "u2", by=SOJOURN)
        yesterday, today = await numbers(harness).trend("known", 2)
        assert (today.members, today.joined, today.left) == (1, 1, 0)
        assert yesterday.members == 0


async def test_two_segments_overlap(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.put(
            even='profile.user_id in ["2", "4", "6"]', large='profile.user_id in ["5", "6"]', none="false"
        )
        await harness.ingest(*(event("Viewed", str(number)) for number in range(8)))
        overlap = numbers(harness).overlap
        assert await overlap("even", "large") == SegmentOverlap(both=1, only_first=2, only_second=1)
        assert await overlap("none", "large") == SegmentOverlap(both=0, only_first=0, only_second=2)
        assert await overlap("large", "large") == SegmentOverlap(both=2, only_first=0, only_second=0)
        with pytest.raises(NotFoundError, match="Did you mean `large`"):
            await overlap("even", "larg")
