"""The page that learns what people did, beside other work on the same people."""

import asyncio

import psycopg
from msgspec.structs import replace

from application.erasure import Erasures
from application.operations.erase import EraseHandler
from application.operations.runner import OperationRunner
from domain.access import SOJOURN
from domain.people.identity import PersonRef
from tests.engine.computed_harness import event
from tests.engine.segment_harness import segment_harness
from tests.engine.test_erasure_races import NoWorkflows
from tests.harness import PATIENCE, looks

PHONE = {"device": {"id": "d1", "type": "ios"}, "locale": "de-DE", "timezone": "Europe/Rome"}
WELCOME = """
key: welcome
name: Welcome
entry: {joins: phones}
steps: [{id: rest, delay: 30d}]
"""


async def wait_for_blocked(connection: psycopg.AsyncConnection[tuple[object, ...]], number: int) -> None:
    """Wait until so many sessions wait for a lock."""
    blocked = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async for is_last in looks(PATIENCE):
        # A transaction sees no session that has come since its first look.
        await connection.execute("SELECT pg_stat_clear_snapshot()")
        if len(await (await connection.execute(blocked)).fetchall()) == number:
            return
        assert not is_last


async def test_a_page_that_waits_for_an_erasure_learns_nothing_of_the_person(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.put(phones='profile.timezone == "Europe/Rome" || size(profile.devices) > 0')
        await harness.run_campaign(WELCOME)
        # The first erasure of a deployment waits for all pages, later ones do not.
        await harness.ingest(event("Viewed", "u0"))
        erasures = Erasures(harness.database)
        runner = OperationRunner(harness.database, {"erase": EraseHandler(NoWorkflows())})
        await erasures.request(PersonRef("u0"), by=SOJOURN)
        assert await runner.work_on_deployment() is None
        await harness.ingest(replace(event("Viewed"), context=PHONE))
        async with await psycopg.AsyncConnection.connect(database_url) as other:
            await other.execute("SELECT FROM profiles FOR UPDATE")
            erasing = asyncio.create_task(erasures.request(PersonRef("u1"), by=SOJOURN))
            await wait_for_blocked(other, 1)
            # It has read the person, who is not erased yet, and waits behind the erasure.
            learning = asyncio.create_task(harness.learn())
            await wait_for_blocked(other, 2)
            await other.rollback()
            await asyncio.gather(erasing, learning)
        async with harness.database.transaction() as connection:
            cursor = await connection.execute("SELECT context, said, user_id FROM profiles")
            assert await cursor.fetchall() == [{"context": {}, "said": {}, "user_id": None}]
        for table in ("profile_activity", "devices", "profile_states", "journeys", "session_reports"):
            assert await harness.count(table) == 0, table
        assert await runner.work_on_deployment() is None
        for table in ("profiles", "events", "segment_members", "segment_changes", "profile_changes"):
            assert await harness.count(table) == 0, table
