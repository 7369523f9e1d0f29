"""The deployment's clock: PostgreSQL's, in every process, whatever its own clock says."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg
import pytest

from domain.errors import UnavailableError
from runtime.embedded.ports import free_port
from runtime.embedded.postgres import EmbeddedPostgres
from store import audience, clock, outbox
from store.clock import MAX_DRIFT, DeploymentClock, Sample
from store.database import Database
from store.migrate import upgrade
from store.outbox import OutboxMessage
from tests.api.fakes import ADMIN_KEY, SETTINGS, WRITE_KEY
from tests.api.live import open_live
from tests.engine.ingesting import statements
from tests.harness import PATIENCE, looks
from tests.proofs import rounds

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Hand:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_it_goes_on_by_the_monotonic_clock_and_says_how_wrong_it_may_be() -> None:
    hand = Hand()
    known = DeploymentClock(hand)
    assert not known.is_known
    with pytest.raises(UnavailableError):
        known.now()
    known.take(Sample(NOON, taken_at=100.0, error=0.001))
    assert (known.now(), known.error()) == (NOON, 0.001)
    hand.seconds += 30
    assert known.now() == NOON + 30 * SECOND
    assert known.error() == pytest.approx(0.001 + 30 * MAX_DRIFT)


@pytest.mark.parametrize(
    ("ahead", "error", "is_taken"),
    [
        (0.002, 0.0005, True),  # more exact
        (0.002, 0.5, False),  # agrees, and says less
        (0.002, 0.0161, False),
        (-3_600.0, 0.5, True),  # PostgreSQL's clock was set, or another server has taken over
        (3_600.0, 0.5, True),
    ],
)
def test_a_sample_counts_if_it_says_more_than_the_one_before(ahead: float, error: float, is_taken: bool) -> None:
    hand = Hand()
    known = DeploymentClock(hand)
    known.take(Sample(NOON, taken_at=100.0, error=0.001))
    hand.seconds += 30
    known.take(Sample(NOON + timedelta(seconds=30 + ahead), taken_at=130.0, error=error))
    assert (known.error() == error) is is_taken
    expected = NOON + timedelta(seconds=30 + (ahead if is_taken else 0))
    assert known.now() == expected
    hand.seconds += 1
    assert known.now() == expected + SECOND


def test_it_never_goes_back_within_a_process() -> None:
    hand = Hand()
    known = DeploymentClock(hand)
    known.take(Sample(NOON, taken_at=100.0, error=0.001))
    told = [known.now()]
    known.take(Sample(NOON - timedelta(hours=1), taken_at=100.0, error=0.001))
    for _ in range(120):
        hand.seconds += 60
        told.append(known.now())
    assert told == sorted(told)
    assert told[59] == NOON
    assert told[-1] == NOON + timedelta(hours=1)


async def test_an_arrival_costs_no_round_trip_more(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Database(database_url, pool_size=1) as database:
        await database.now()
        with statements(monkeypatch) as sent:
            told = [await database.now() for _ in range(100)]
        assert sent == []
        assert told == sorted(told)
        async with database.transaction() as connection:
            cursor = await connection.execute("SELECT clock_timestamp() AS now")
            row = await cursor.fetchone()
            mine = connection.clock.now()
        assert row is not None
        error = database.clock.error()
        assert error is not None
        # What it asked for and its answer lie between the two.
        assert abs(mine - row["now"]) < timedelta(seconds=error + 5)


async def test_without_a_database_it_is_not_known() -> None:
    async with Database(f"postgresql://sojourn@127.0.0.1:{free_port(None)}/none", pool_size=1) as database:
        with pytest.raises(psycopg.OperationalError):
            await database.now()


async def test_a_database_that_is_not_migrated_has_a_clock(empty_database_url: str) -> None:
    """Else no connection to it could say that it is not migrated."""
    async with Database(empty_database_url, pool_size=1) as database:
        assert abs(await database.now() - datetime.now(UTC)) < timedelta(minutes=5)


# `sojourn api` in a process where Python's own clock is put off, which it tells first.
PROGRAM = """
import os
import sys
from datetime import UTC, datetime, timedelta

import time_machine

from cli.main import run

time_machine.travel(datetime.now(UTC) + timedelta(hours=float(os.environ["HOURS"])), tick=True).start()
print(datetime.now(UTC).isoformat(), flush=True)
sys.exit(run(["api"]))
"""


@pytest.mark.prove
@pytest.mark.parametrize("hours", [-5, 30][: rounds(1, 2)])
async def test_an_api_whose_own_clock_is_wrong_stamps_arrivals_rightly(
    database_url: str, tmp_path: Path, hours: int
) -> None:
    """A process of its own, in which Python's clock is put off; PostgreSQL's is what counts."""
    port = free_port(None)
    named = ("write_key", "admin_key", "link_secret", "webhook_signing_secret")
    program = tmp_path / "started.py"
    program.write_text(PROGRAM)
    environment = {
        **os.environ,
        **{f"SOJOURN_{name.upper()}": getattr(SETTINGS, name).get_secret_value() for name in named},
        "SOJOURN_DATABASE_URL": database_url,
        "SOJOURN_API_PORT": str(port),
        "HOURS": str(hours),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(program)),
        cwd=Path(__file__).parents[2],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as api:
            await _until_up(api)
            before = datetime.now(UTC)
            answer = await api.post("/v1/track", json={"userId": "u1", "event": "E"}, auth=(WRITE_KEY, ""))
            assert answer.is_success, answer.text
            after = datetime.now(UTC)
            timeline = await api.get("/v1/users/u1/timeline", headers={"Authorization": f"Bearer {ADMIN_KEY}"})
    finally:
        if process.returncode is None:
            process.kill()
        output, _ = await process.communicate()
    wrong = datetime.fromisoformat(output.decode().splitlines()[0])
    assert abs(wrong - before) > timedelta(hours=4), "its own clock is wrong"
    [item] = timeline.json()["items"]
    slack = timedelta(seconds=1)
    assert before - slack <= datetime.fromisoformat(item["at"]) <= after + slack


async def _until_up(api: httpx.AsyncClient) -> None:
    async for is_last in looks(PATIENCE):
        try:
            if (await api.get("/readyz")).is_success:
                return
        except httpx.TransportError:
            pass
        assert not is_last, "the API never answered"


@pytest.fixture
async def adjustable(data_folder: Path) -> AsyncIterator[str]:
    """A database of a server whose clock may be set."""
    server = await EmbeddedPostgres.start(data_folder / "adjustable", durable=False, has_adjustable_clock=True)
    await asyncio.to_thread(upgrade, server.url)
    yield server.url
    await server.stop()


async def test_skipped_time_is_the_same_for_arrivals_the_outbox_and_schedules(adjustable: str) -> None:
    """Two processes and PostgreSQL itself, at once."""
    user = uuid4().hex
    async with (
        Database(adjustable, pool_size=2) as one,
        Database(adjustable, pool_size=2) as other,
        open_live(adjustable) as app,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sojourn.test") as api,
    ):
        real = datetime.now(UTC)
        async with one.transaction() as connection:
            await outbox.append(connection, [OutboxMessage("campaign/x", "campaign", {"campaign": "x"})])
            [row] = await outbox.take(connection, limit=10, bulk_limit=10)
            await outbox.postpone(connection, [(row.id, 3_600.0, "away")])
        async with one.transaction() as connection:
            assert await outbox.take(connection, limit=10, bulk_limit=10) == []
            await clock.advance(connection, timedelta(days=3))
        for database in (one, other):
            assert timedelta(days=3) <= await database.now() - real < timedelta(days=3, minutes=5)
        async with other.transaction() as connection:
            assert timedelta(days=3) <= connection.clock.now() - real
            assert [late.id for late in await outbox.take(connection, limit=10, bulk_limit=10)] == [row.id]
            assert timedelta(days=3) < timedelta(seconds=await outbox.oldest_wait(connection))
            await outbox.remove(connection, [row.id])
        answer = await api.post("/v1/track", json={"userId": user, "event": "E"}, auth=(WRITE_KEY, ""))
        assert answer.is_success
        timeline = await api.get(f"/v1/users/{user}/timeline", headers={"Authorization": f"Bearer {ADMIN_KEY}"})
        [item] = timeline.json()["items"]
        assert timedelta(days=3) <= datetime.fromisoformat(item["at"]) - real < timedelta(days=3, minutes=5)
        # `known_for` counts from then, and an audience that is requested now knows the person.
        async with one.transaction() as connection:
            [person] = await audience.page(connection, None, datetime.now(UTC), 10)
            assert timedelta(days=3) <= person.created_at - real < timedelta(days=3, minutes=5)
            assert await audience.count(connection, datetime.now(UTC)) == 1


async def test_a_real_deployment_does_not_heed_an_offset_and_cannot_set_one(database_url: str) -> None:
    """Also where its database was copied from one for development."""
    async with Database(database_url, pool_size=2) as database:
        async with database.transaction() as connection:
            await connection.execute("UPDATE clock_offset SET ahead = interval '3 days'")
        with pytest.raises(psycopg.errors.RaiseException, match="cannot be set"):
            async with database.transaction() as connection:
                await clock.advance(connection, timedelta(days=1))
        async with database.transaction() as connection:
            cursor = await connection.execute("SELECT clock_ahead() AS ahead")
            row = await cursor.fetchone()
        assert row == {"ahead": timedelta(0)}
        assert abs(await database.now() - datetime.now(UTC)) < timedelta(minutes=5)
