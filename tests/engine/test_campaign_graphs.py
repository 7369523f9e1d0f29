"""Graphs are counted without a connection that waits, and the latest versions stay compiled."""

import asyncio
from threading import Event

import pytest

from application import campaign_graph
from application.campaign_graph import CampaignGraphs, CompiledVersion
from application.campaigns import Campaigns
from domain.access import SOJOURN
from runtime.documents import DocumentProcesses
from store.database import Database
from tests.harness import PATIENCE

SOURCE = "key: {key}\nname: Hello\nentry: {{event: Signed Up}}\nsteps: [{{id: rest, delay: 1h}}]\n"


async def publish(database: Database, *keys: str) -> None:
    for key in keys:
        await Campaigns(database, DocumentProcesses()).publish(SOURCE.format(key=key), "a.yaml", {}, by=SOJOURN)


async def test_no_connection_waits_while_a_version_is_compiled(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The only connection of the pool serves another meanwhile."""
    begun, may_end = asyncio.Event(), Event()
    loop, compile = asyncio.get_running_loop(), campaign_graph._compile

    def compile_late(source: str) -> CompiledVersion:
        loop.call_soon_threadsafe(begun.set)
        assert may_end.wait(PATIENCE)
        return compile(source)

    monkeypatch.setattr(campaign_graph, "_compile", compile_late)
    async with Database(database_url, pool_size=1) as database:
        await publish(database, "a")
        counting = asyncio.create_task(CampaignGraphs(database)("a", None))
        await begun.wait()
        try:
            async with database.transaction() as connection:
                await connection.execute("SELECT 1")
        finally:
            may_end.set()
        assert [node.id for node in (await counting).nodes] == [":entry", "rest", ":end"]


async def test_versions_that_are_looked_at_stay_compiled(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign_graph, "PLANS_KEPT", 2)
    monkeypatch.setattr("application.snapshots.MAX_KEPT", 0)
    compiled: list[str] = []
    compile = campaign_graph._compile

    def compile_noted(source: str) -> CompiledVersion:
        compiled.append(source.split()[1])
        return compile(source)

    monkeypatch.setattr(campaign_graph, "_compile", compile_noted)
    async with Database(database_url, pool_size=1) as database:
        await publish(database, "a", "b", "c")
        graphs = CampaignGraphs(database)
        for key in ("a", "b", "a", "c", "a"):
            assert (await graphs(key, None)).campaign == key
    assert compiled == ["a", "b", "c"]
