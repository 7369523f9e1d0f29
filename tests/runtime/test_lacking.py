"""A deployment that lacks something says what, and how to mend it: the worker, `/readyz` and `sojourn check` alike."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from os import environ
from typing import Any

import httpx
import pytest

from api.app import create_app
from runtime.embedded.ports import free_port
from runtime.embedded.temporal import EmbeddedTemporal
from settings import Settings
from store.migrate import upgrade
from tests import generated
from tests.forks import Fork, fork
from tests.harness import PATIENCE, WRITE_KEY, looks
from tests.processes import environment, sojourn
from tests.servers import TemporalServer

ATTRIBUTES = "Campaign, CampaignVersion, UserId, JourneyStep, JourneyState"


@pytest.fixture
async def bare_temporal() -> AsyncIterator[EmbeddedTemporal]:
    """A server that knows no search attributes of ours."""
    server = await EmbeddedTemporal.start(None, ui=False, search_attributes={})
    yield server
    await server.stop()


def settings_for(database_url: str, temporal_address: str, **more: Any) -> Settings:
    return Settings.model_validate(
        {
            "database_url": database_url,
            "temporal_address": temporal_address,
            "task_queue": f"lacking-{free_port()}",
            "write_key": WRITE_KEY,
            "admin_key": generated.ADMIN_KEY,
            "link_secret": generated.LINK_SECRET,
            "webhook_signing_secret": generated.SIGNING_SECRET,
            "smtp_host": "127.0.0.1",
            "smtp_port": free_port(),
            "smtp_security": "none",
            **more,
        }
    )


@asynccontextmanager
async def api(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sojourn.test") as http,
    ):
        yield http


class WorkerLog:
    """The lines of a worker's log, as they come."""

    def __init__(self, process: Fork) -> None:
        self._lines = process.stdout
        self._read: list[str] = []

    async def until(self, event: str, **members: str) -> dict[str, Any]:
        async with asyncio.timeout(3 * PATIENCE):
            while line := await self._lines.readline():
                self._read.append(line.decode())
                found: dict[str, Any] = json.loads(line) if line.startswith(b"{") else {}
                if found.get("event") == event and members.items() <= found.items():
                    return found
        raise AssertionError(f"the log ended without {event}: {self._read}")


async def test_a_worker_waits_for_the_migration_and_says_so(empty_database_url: str, temporal: TemporalServer) -> None:
    settings = settings_for(empty_database_url, temporal.address, temporal_namespace=temporal.namespace)
    process = await fork("worker", variables={**environ, **environment(settings)})
    log = WorkerLog(process)
    try:
        waits = await log.until("worker start postponed", lacks="migrations")
        assert waits["problem"].startswith("the database was never migrated, and this release needs ")
        assert waits["remedy"] == "run `sojourn migrate`"
        await asyncio.to_thread(upgrade, empty_database_url)
        await log.until("worker started")
        # The mail server is away, which keeps no worker from its work.
        lacks = await log.until("deployment problem found", lacks="smtp")
        assert lacks["problem"] == "the mail server cannot be used: there is no connection"
    finally:
        process.terminate()
        await process.stdout.read()
        assert await process.wait() == 0


async def test_search_attributes_that_lack_are_told_and_made(
    database_url: str, bare_temporal: EmbeddedTemporal
) -> None:
    health = f"127.0.0.1:{free_port()}"
    settings = settings_for(database_url, bare_temporal.address, health_address=health)
    process = await fork("worker", variables={**environ, **environment(settings)})
    log = WorkerLog(process)
    try:
        waits = await log.until("worker start postponed", lacks="search_attributes")
        # Its health check says that it lives, and why it does not work yet.
        async with httpx.AsyncClient(base_url=f"http://{health}", trust_env=False) as check:
            assert (await check.get("/healthz")).status_code == 200
            answer = await check.get("/readyz")
            assert answer.status_code == 503
            assert answer.json()["lacks"]["search_attributes"].startswith(waits["problem"])
        assert waits["problem"] == f"Temporal does not know the search attributes {ATTRIBUTES}"
        assert waits["remedy"].startswith("run `sojourn migrate`, or `temporal operator search-attribute create")
        async with api(settings) as http:
            parts = await _parts(http, "search_attributes", waits["problem"])
            assert parts["search_attributes"].startswith(waits["problem"])
            assert (parts["database"], parts["temporal"], parts["namespace"]) == ("ok", "ok", "ok")
            # Events are taken in meanwhile.
            taken = await http.post("/v1/track", json={"userId": "u", "event": "E"}, auth=(WRITE_KEY, ""))
            assert taken.status_code == 200

            status, printed = await sojourn(settings, "check")
            assert status == 1
            assert f"search_attributes: {waits['problem']}\n  remedy: run `sojourn migrate`" in printed

            status, printed = await sojourn(settings, "migrate")
            assert (status, printed) == (
                0,
                "The database has the newest schema.\nTemporal has the search attributes.\n",
            )
            await log.until("worker started")
            async with httpx.AsyncClient(base_url=f"http://{health}", trust_env=False) as check:
                assert (await check.get("/readyz")).status_code == 200
            parts = await _parts(http, "search_attributes", "ok")
            assert parts["worker"] == "ok"
            # Whatever workers see lacking, the API can take events in.
            assert parts["smtp"].startswith("the mail server cannot be used: there is no connection: start the mail")
            assert "127.0.0.1" not in str(parts)
    finally:
        process.terminate()
        await process.stdout.read()
        assert await process.wait() == 0


async def _parts(http: httpx.AsyncClient, part: str, begins: str) -> dict[str, str]:
    async for is_last in looks(3 * PATIENCE):
        answer = await http.get("/readyz")
        assert (answer.status_code, answer.json()["status"]) == (200, "ok")
        parts: dict[str, str] = answer.json()["parts"]
        if parts.get(part, "").startswith(begins) and "smtp" in parts:
            return parts
        assert not is_last, parts
    raise AssertionError("there is a last look")


async def test_a_worker_waits_for_servers_that_are_away_in_words(data_folder: object) -> None:
    """Neither PostgreSQL nor Temporal is there: it says so, goes on trying, and stops when it is told to."""
    settings = settings_for(f"postgresql://u:hidden@127.0.0.1:{free_port()}/none", f"127.0.0.1:{free_port()}")
    process = await fork("worker", variables={**environ, **environment(settings)})
    log = WorkerLog(process)
    try:
        database = await log.until("worker start postponed", lacks="database")
        assert database["problem"].startswith("the database does not answer: ")
        temporal = await log.until("worker start postponed", lacks="temporal")
        assert temporal["problem"] == "Temporal does not answer: the connection is refused"
        assert temporal["remedy"].startswith("start Temporal, or correct SOJOURN_TEMPORAL_ADDRESS")
    finally:
        process.terminate()
        rest = (await process.stdout.read()).decode()
        assert await process.wait() == 0, rest
    assert "hidden" not in rest
