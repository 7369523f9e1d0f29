"""Why people are in a segment or not, in the words that the timeline has."""

from datetime import UTC, datetime, timedelta

from application.explain import Explain
from application.segment_explanations import SegmentExplanations
from domain.access import SOJOURN
from domain.people.identity import PersonRef
from tests.engine.computed_harness import event
from tests.engine.segment_harness import SegmentHarness, segment_harness

TRAITS = """
computed:
  orders: {count: Order Completed}
  active: {any: '*', within: 1h}
"""
LAPSING = "profile.computed.orders >= 1 && !profile.computed.active"


async def timeline(harness: SegmentHarness, user_id: str = "u1") -> list[str]:
    explain = Explain(harness.database, harness.catalogue, "{workflow_id}", "UTC")
    found = await explain.timeline(PersonRef(user_id), limit=100, before=None, by=SOJOURN)
    return [item.summary for item in found.items if item.kind == "segment"]


def clock(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


async def test_the_timeline_says_why_someone_joined_and_left(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.apply(TRAITS)
        await harness.put(lapsing=LAPSING, nudged='"lapsing" in profile.segments && profile.user_id != null')
        began = datetime.now(UTC)
        await harness.ingest(event("Order Completed", at=began), at=began)
        harness.let_pass(timedelta(hours=2))
        await harness.sweep()
        lapsed = clock(began + timedelta(hours=1))
        later = harness.database.clock.now()
        await harness.ingest(event("Viewed", at=later), at=later)
        await harness.put(nudged="profile.computed.orders == 1")
        await harness.operate()
        assert await timeline(harness) == [
            f"joined lapsing: `profile.computed.active` was no longer true as of {lapsed}",
            f'joined nudged: `"lapsing" in profile.segments` became true as of {lapsed}',
            f"left lapsing: by Viewed of {clock(later)}",
            f"left nudged: by Viewed of {clock(later)}",
            "joined nudged: by version 2 of the definition of nudged",
        ]


async def test_the_segments_of_an_exclusive_group_change_by_the_same_part(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.apply(TRAITS)
        await harness.put_group(active="profile.computed.orders >= 1", lapsed=LAPSING)
        began = datetime.now(UTC)
        await harness.ingest(event("Order Completed", at=began), at=began)
        harness.let_pass(timedelta(hours=2))
        await harness.sweep()
        flipped = f"`profile.computed.active` was no longer true as of {clock(began + timedelta(hours=1))}"
        assert await timeline(harness) == [
            f"joined active: by Order Completed of {clock(began)}",
            f"left active: {flipped}",
            f"joined lapsed: {flipped}",
        ]


async def test_a_membership_with_its_last_change_and_what_it_was_instead(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.apply(TRAITS)
        await harness.put_group(active="profile.computed.orders >= 1", lapsed=LAPSING)
        began = datetime.now(UTC)
        await harness.ingest(event("Order Completed", at=began), at=began)
        explanations = SegmentExplanations(harness.database, harness.catalogue)
        before = await explanations.explain(PersonRef("u1"), "lapsed", by=SOJOURN)
        assert (before.is_member, before.since, before.instead, before.last_change) == (False, None, "active", None)
        assert before.condition.changes_at == began + timedelta(hours=1)
        harness.let_pass(timedelta(hours=2))
        await harness.sweep()
        after = await explanations.explain(PersonRef("u1"), "lapsed", by=SOJOURN)
        assert (after.is_member, after.since, after.instead) == (True, began + timedelta(hours=1), None)
        assert after.condition.value is True
        assert after.last_change is not None
        assert after.last_change.has_joined
        assert after.last_change.summary.startswith("joined lapsed: `profile.computed.active` was no longer true")
        rival = await explanations.explain(PersonRef("u1"), "active", by=SOJOURN)
        assert (rival.is_member, rival.condition.value, rival.instead) == (False, True, "lapsed")


async def test_a_segment_is_not_ready_until_everyone_was_judged(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.ingest(event("Viewed"))
        await harness.put(known="profile.user_id != null")
        explanations = SegmentExplanations(harness.database, harness.catalogue)
        before = await explanations.explain(PersonRef("u1"), "known", by=SOJOURN)
        assert (before.is_member, before.condition.value, before.is_ready) == (False, True, False)
        await harness.operate()
        after = await explanations.explain(PersonRef("u1"), "known", by=SOJOURN)
        assert (after.is_member, after.is_ready) == (True, True)
