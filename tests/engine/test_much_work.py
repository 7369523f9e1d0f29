"""A person who takes more work than a transaction has delays no page of others, and is done as a whole."""

import asyncio
from datetime import timedelta

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from tests.engine.computed_harness import event
from tests.engine.segment_harness import segment_harness
from tests.engine.test_segments import PHONE, WIN_BACK, grouped
from tests.harness import PATIENCE

USERS = [f"u{number}" for number in range(1, 6)]
FOLLOW = WIN_BACK.replace("lapsing", "phones")
TRAITS = "computed:\n  active: {any: '*', within: 1h}\n"
EXCEEDED = "work of one transaction exceeded"


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each person takes more work than one transaction has."""
    monkeypatch.setattr("application.routing.MAX_WORK", 0)


@pytest.mark.usefixtures("no_work")
async def test_a_page_of_activity_is_taken_in_parts(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.put(phones="size(profile.devices) > 0")
        await harness.run_campaign(FOLLOW)
        await harness.ingest(*(replace(event("Viewed", user), context=PHONE) for user in USERS))
        with capture_logs() as logged:
            await harness.learn()
        assert await harness.members() == {"phones": USERS}
        assert await harness.entered() == USERS
        assert [entry["event"] for entry in logged] == [EXCEEDED] * len(USERS)


@pytest.mark.usefixtures("no_work")
async def test_an_announcement_is_taken_in_parts(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.put(phones='account.traits.plan == "business"')
        await harness.run_campaign(FOLLOW)
        await harness.ingest(*(grouped(user, "member") for user in USERS))
        await harness.ingest(grouped("u3", "member", plan="business"))
        await harness.operate()
        assert await harness.members() == {"phones": USERS}
        assert await harness.entered() == USERS
        assert await harness.count("operations") == 0


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("is_swept", [True, False])
async def test_a_person_with_several_causes_is_done_as_a_whole(is_swept: bool, database_url: str) -> None:
    """Time and a newer definition have changed each of them: that is one transaction, by the sweeper and by ingest."""
    async with segment_harness(database_url) as harness:
        await harness.apply(TRAITS)
        await harness.put(idle="!profile.computed.active", users="false")
        await harness.run_campaign(FOLLOW.replace("phones", "idle"))
        await harness.run_campaign(FOLLOW.replace("phones", "users").replace("win-back", "follow"))
        for user in USERS:
            await harness.ingest(event("Viewed", user))
        await harness.put("trigger", users="profile.user_id != null")
        harness.let_pass(timedelta(hours=2))
        later = harness.database.clock.now()
        async with asyncio.timeout(PATIENCE):
            if is_swept:
                await harness.sweep()
            else:
                for user in USERS:
                    await harness.ingest(event("Viewed", user, at=later), at=later)
        assert await harness.members() == {"users": USERS} | ({"idle": USERS} if is_swept else {})
        assert await harness.entered() == sorted(2 * USERS)
