"""Conditions that take long keep no process from others, however many of them one call evaluates."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from application import turns
from application.audience_sample import AudienceSample, sample_audience
from application.ingest import Ingest
from application.refusals import Unjudged, evaluate_refusals
from domain.campaign.rules import AudienceRule, EntryRule
from domain.journey.listeners import Listeners
from domain.tracking.stored_event import StoredEvent
from store.database import Database
from store.timeline import Recorded
from tests.domain.journey.routing_harness import ADA, NOON, PEOPLE, campaign, track
from tests.engine.audience import LASTING, enter, people, start

_DIGITS = f"[{','.join('1' * 40)}]"
# 40,000 units by the bound of one evaluation, which takes some 10 ms.
LONG = f"{_DIGITS}.all(x, {_DIGITS}.all(y, string(x) + string(y) != 'aaaaaaaaaa'))"
# A million units are as many of them.
MOST = 25


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, pool_size=2) as opened:
        yield opened


@pytest.fixture(autouse=True)
def each_piece_is_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "TURN_SECONDS", 0)


@asynccontextmanager
async def others(database: Database | None = None) -> AsyncIterator[list[int]]:
    """Something else that the event loop serves: the connections in use in each of its rounds."""
    rounds: list[int] = []

    async def count_rounds() -> None:
        while True:
            rounds.append(database.pool_state().in_use if database else 0)
            await asyncio.sleep(0)

    task = asyncio.create_task(count_rounds())
    try:
        yield rounds
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_sample_ends_with_its_work_and_holds_no_connection(database: Database, ingest: Ingest) -> None:
    await people(ingest, {f"u{number}": {"plan": "trial"} for number in range(60)})
    async with others(database) as rounds:
        sample = await sample_audience(database, AudienceRule(where=LONG, rate=1), None)
    assert 10 < sample.profiles == sample.in_audience <= MOST
    assert rounds.count(0) >= sample.profiles
    whole = await sample_audience(database, AudienceRule(where="profile.traits.plan == 'trial'", rate=1), None)
    assert whole == AudienceSample(60, 60, 0, 0, {})


async def test_an_audience_is_let_in_whole_by_a_condition_that_takes_long(database: Database, ingest: Ingest) -> None:
    await people(ingest, {f"u{number}": {"plan": "trial"} for number in range(60)})
    source = LASTING.replace('profile.traits.plan == "trial"', f"\"!({LONG}) || profile.traits.plan == 'trial'\"")
    await start(database, source)
    [operation] = await enter(database)
    assert (operation.done, operation.counts) == (60, {"entered": 60})


async def test_refusals_are_worked_out_as_far_as_a_page_may_work() -> None:
    versions = [campaign(f"c{number}", entry=EntryRule("Seen", f"{number} < 0 || !({LONG})")) for number in range(20)]
    profile_events = [track("Seen") for _ in range(20)]
    reported = {
        str(one.event.id): Recorded(
            "event", NOON, str(one.event.id), NOON, "Seen", "track", None, None, None, None, None, {}, []
        )
        for one in profile_events
    }
    unjudged = Unjudged(
        people=PEOPLE,
        found=[StoredEvent(ADA, one.event) for one in profile_events],
        reported=reported,
        listeners=Listeners(versions, []),
        decided=set(),
        published={(version.key, version.version): NOON for version in versions},
        at=NOON,
    )
    async with others() as rounds:
        refusals = await turns.run(evaluate_refusals(unjudged))
    number = sum(map(len, refusals.values()))
    assert 10 < number <= MOST
    assert len(rounds) >= number
