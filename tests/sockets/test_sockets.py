"""Kinds from one module, one of each socket, run through the real engine; no other file knows them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from runtime.embedded.ports import free_port
from settings import Settings
from tests.harness import ADMIN_KEY, PATIENCE, WRITE_KEY, Harness, looks, open_harness
from tests.processes import start
from tests.servers import TemporalServer

MODULE = "tests.sockets.launch"
CAMPAIGN = """
key: paged
name: Paged
entry: {alarm: raised}
steps:
  - {id: pause, delay: {beats: 3}}
  - {id: tally, count: alarms}
  - {id: page, send: {channel: pager, template: page}}
"""
PAGE = "---\nchannel: pager\ntitle: Alarm\n---\nAlarm {{ profile.traits.alarms }} of {{ profile.user_id }}\n"


@asynccontextmanager
async def api(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """An API process that knows the new kinds."""
    port = free_port()
    process = await start(settings, "api", "--port", str(port), module=MODULE)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as http:
            async for is_last in looks(PATIENCE):
                try:
                    if (await http.get("/readyz")).is_success:
                        break
                except httpx.TransportError:
                    assert not is_last
            yield http
    finally:
        process.terminate()
        await process.communicate()


@asynccontextmanager
async def worker(settings: Settings) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker process that knows the new kinds, from when it takes tasks."""
    process = await start(settings, "worker", module=MODULE)
    assert process.stdout is not None
    read = b""
    while b"worker started" not in (line := await process.stdout.readline()):
        read += line
        assert line, read.decode()
    reading = asyncio.create_task(process.stdout.read())
    try:
        yield process
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
        await process.wait()
        await reading


@pytest.fixture
async def harness(database_url: str, temporal: TemporalServer) -> AsyncIterator[Harness]:
    async with open_harness(database_url, temporal, is_working=False) as opened:
        yield opened


async def choose_recorder(http: httpx.AsyncClient, file: Path, hold: Path | None = None) -> None:
    """Have a recorder deliver the pages."""
    settings = {"kind": "recorder", "channel": "pager", "file": str(file), **({"hold": str(hold)} if hold else {})}
    body = {"file": "providers.yaml", "source": json.dumps({"providers": {"pages": settings}})}
    await answer(await http.put("/v1/providers", json=body, headers={"Authorization": f"Bearer {ADMIN_KEY}"}))


async def answer(request: httpx.Response) -> Any:
    assert request.is_success, request.text
    return request.json()


async def test_new_kinds_run_through_the_real_engine(harness: Harness, tmp_path: Path) -> None:
    admin = {"Authorization": f"Bearer {ADMIN_KEY}"}
    traits = {
        "asked": {"pagers": ["one", "gone", "two"], "consent": {"pager": True}, "alarms": 4},
        "silent": {"pagers": ["three"]},
        "without": {"consent": {"pager": True}},
    }
    async with api(harness.settings) as http, worker(harness.settings):
        await choose_recorder(http, tmp_path / "pages")
        wrong = CAMPAIGN.replace("beats: 3", "beats: 0")
        body = {"file": "paged.yaml", "source": wrong, "templates": {"page.liquid": PAGE}}
        refused = await http.post("/v1/campaigns", json=body, headers=admin)
        assert "steps[0].delay.beats" in refused.text
        await answer(await http.post("/v1/campaigns", json={**body, "source": CAMPAIGN}, headers=admin))
        await answer(await http.post("/v1/campaigns/paged/start", headers=admin))
        for user, known in traits.items():
            who = {"userId": user}
            await answer(await http.post("/v1/identify", json={**who, "traits": known}, auth=(WRITE_KEY, "")))
            await answer(await http.post("/v1/track", json={**who, "event": "Alarm Raised"}, auth=(WRITE_KEY, "")))
        ended = "SELECT 1 FROM journeys WHERE state = 'completed' HAVING count(*) = 3"
        await harness.until(ended)
        timeline = await answer(await http.get("/v1/users/asked/timeline", headers=admin))
    pages = [json.loads(line) for line in (tmp_path / "pages").read_text().splitlines()]
    assert sorted(page["to"] for page in pages) == ["gone", "one", "two"]
    assert {page["text"].strip() for page in pages} == {"Alarm 5 of asked"}
    assert await harness.query("SELECT state, provider FROM messages") == [{"state": "sent", "provider": "pages"}]
    assert await harness.query("SELECT address, state, reason, provider_id FROM deliveries ORDER BY address") == [
        {"address": "gone", "state": "failed", "reason": "gone", "provider_id": None},
        {"address": "one", "state": "sent", "reason": None, "provider_id": "page-one"},
        {"address": "two", "state": "sent", "reason": None, "provider_id": "page-two"},
    ]
    decided = await harness.query(
        """
        SELECT profiles.user_id, outcome, reason FROM decisions JOIN profiles ON profiles.id = profile_id
        WHERE kind = 'send' ORDER BY user_id
        """
    )
    assert [tuple(row.values()) for row in decided] == [
        ("asked", "granted", None),
        ("silent", "refused", "no_consent"),
        ("without", "refused", "unreachable"),
    ]
    assert "tally: set alarms" in [item["summary"] for item in timeline["items"]]
