"""People in many segments: each transaction judges as many people as it has room for, and none is left out."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec import Struct
from msgspec.structs import replace

from application.operations.runner import OperationRunner
from application.segments import JudgeHandler
from application.trait_sweeper import Sweeper
from domain.conditions.cel_costs import Spent
from domain.people.computed import counter
from domain.people.segments import judge
from domain.people.segments.definition import SegmentDefinition, SegmentRule
from domain.people.segments.deployed import NO_SEGMENTS_YET, DeployedSegments
from domain.people.segments.judged_person import NO_FACTS
from domain.tracking.event import Event
from store import operations
from tests.engine.computed_harness import event
from tests.engine.segment_harness import SegmentHarness, segment_harness

TRAITS = "computed:\n  active: {any: Opened, within: 1d}\n"
SEGMENTS = {f"s{number}": "profile.computed.active" for number in range(20)}
USERS = [f"u{number}" for number in range(8)]
EVERYONE = dict.fromkeys(sorted(SEGMENTS), USERS)
# A person joins or leaves all segments, which is the work of one transaction.
ROOM = len(SEGMENTS)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class _Person(Struct, frozen=True):
    traits: dict[str, int]
    context: dict[str, str] = {}


@pytest.fixture(autouse=True)
def little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (judge, counter):
        monkeypatch.setattr(module, "MAX_WORK", ROOM)


def state_plan(user: str, plan: str, at: datetime = NOW) -> Event:
    return replace(event(None, user, type="group", at=at, plan=plan), group_id="acme")


async def count_people(harness: SegmentHarness) -> list[int]:
    """The numbers of people whose memberships each transaction has changed, in order."""
    async with harness.database.transaction() as connection:
        cursor = await connection.execute(
            "SELECT count(DISTINCT profile_id) AS people FROM segment_changes GROUP BY xmin::text ORDER BY min(id)"
        )
        return [row["people"] async for row in cursor]


async def test_events_of_people_who_join_many_segments_are_taken_in_parts(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        harness.set_clock(NOW)
        await harness.apply(TRAITS)
        await harness.put(**SEGMENTS)
        await harness.ingest(*[event("Opened", user, at=NOW) for user in USERS], at=NOW)
        assert await harness.members() == EVERYONE
        assert await count_people(harness) == [1] * len(USERS)


async def test_a_sweeper_takes_people_who_leave_many_segments_one_by_one(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        harness.set_clock(NOW)
        await harness.apply(TRAITS)
        await harness.put(**SEGMENTS)
        await harness.ingest(*[event("Opened", user, at=NOW) for user in USERS], at=NOW)
        harness.set_clock(NOW + timedelta(days=2))
        sweeper = Sweeper(harness.database, harness.catalogue)
        await sweeper.sweep()
        assert {len(users) for users in (await harness.members()).values()} == {len(USERS) - 1}
        await harness.sweep()
        assert await harness.members() == {}
        assert await count_people(harness) == [1] * 2 * len(USERS)


async def test_a_new_definition_judges_people_page_by_page(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        harness.set_clock(NOW)
        await harness.ingest(*[event("Seen", user, at=NOW) for user in USERS], at=NOW)
        await harness.put(**dict.fromkeys(SEGMENTS, "true"))
        runner = OperationRunner(harness.database, {"judge": JudgeHandler(harness.catalogue)})
        await runner.work_on_deployment()
        assert await harness.members() == EVERYONE
        assert await count_people(harness) == [1] * len(USERS)
        async with harness.database.transaction() as connection:
            [done] = await operations.list_latest(connection, 10, None)
        assert (done.state, done.done, done.counts["joined"]) == ("done", len(USERS), len(USERS) * len(SEGMENTS))


async def test_members_of_an_account_are_judged_in_parts(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        harness.set_clock(NOW)
        await harness.put(**dict.fromkeys(SEGMENTS, 'account.traits.plan == "team"'))
        for user in USERS:
            await harness.ingest(state_plan(user, "free"), at=NOW)
        later = NOW + timedelta(minutes=1)
        harness.set_clock(later)
        await harness.ingest(state_plan(USERS[0], "team", later), at=later)
        await harness.operate()
        assert await harness.members() == EVERYONE
        # As many as a merge has are judged together.
        assert max(await count_people(harness)) <= judge.EXEMPT_PEOPLE


def judge_chain(length: int) -> float:
    """Let a person join segments that each read the one before; return the units of work."""
    rules = {"s0": "has(profile.traits.x)"} | {
        f"s{number}": f'"s{number - 1}" in profile.segments' for number in range(1, length)
    }
    definitions = [
        SegmentDefinition(number, key, 1, SegmentRule(where), 1, NOW)
        for number, (key, where) in enumerate(rules.items(), 1)
    ]
    deployed, spent = DeployedSegments(definitions, range(1, length + 1)), Spent()
    judgement = deployed.judge(_Person({"x": 1}), NO_FACTS, {}, NO_SEGMENTS_YET, NOW, deployed.all, spent)
    assert len(judgement.members) == length
    return spent.units


def test_segments_that_a_person_is_in_make_others_no_dearer() -> None:
    assert judge_chain(400) < 5 * judge_chain(100)
