"""Graphs and funnels are counted without a connection that waits, and the latest versions stay compiled."""

import asyncio
from collections.abc import Callable, Coroutine
from threading import Event
from types import ModuleType
from typing import Any

import pytest

from application import campaign_graph, funnel
from application.campaign_graph import CampaignGraph, CampaignGraphs, CompiledVersion
from application.campaigns import Campaigns
from application.funnel import Funnel, Funnels
from domain.access import SOJOURN
from runtime.documents import DocumentProcesses
from store.database import Database
from tests.harness import PATIENCE

SOURCE = "key: {key}\nname: Hello\nentry: {{event: Signed Up}}\nsteps: [{{id: rest, delay: 1h}}]\n"


async def publish(database: Database, *keys: str) -> None:
    for key in keys:
        await Campaigns(database, DocumentProcesses()).publish(SOURCE.format(key=key), "a.yaml", {}, by=SOJOURN)


@pytest.mark.parametrize(("module", "name"), [(campaign_graph, "_compile"), (funnel, "_outline")])
async def test_no_connection_waits_while_a_version_is_compiled(
    database_url: str, monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str
) -> None:
    """The only connection of the pool serves another meanwhile."""
    begun, may_end = asyncio.Event(), Event()
    loop, compile = asyncio.get_running_loop(), getattr(module, name)

    def compile_late(source: str) -> Any:
        loop.call_soon_threadsafe(begun.set)
        assert may_end.wait(PATIENCE)
        return compile(source)

    monkeypatch.setattr(module, name, compile_late)
    async with Database(database_url, pool_size=1) as database:
        await publish(database, "a")
        counts: Callable[[str, None], Coroutine[Any, Any, CampaignGraph | Funnel]] = (
            CampaignGraphs(database) if module is campaign_graph else Funnels(database)
        )
        counting = asyncio.create_task(counts("a", None))
        await begun.wait()
        try:
            async with database.transaction() as connection:
                await connection.execute("SELECT 1")
        finally:
            may_end.set()
        assert (await counting).campaign == "a"


async def test_each_version_of_a_funnel_is_outlined_once(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    outlined: list[str] = []
    outline = funnel._outline

    def outline_noted(source: str) -> Any:
        outlined.append(source.split()[1])
        return outline(source)

    monkeypatch.setattr(funnel, "_outline", outline_noted)
    monkeypatch.setattr(funnel, "OUTLINES_KEPT", 1)
    async with Database(database_url, pool_size=1) as database:
        await publish(database, "a", "b")
        funnels = Funnels(database)
        for key in ("a", "a", "b", "b"):
            found = await funnels(key, None)
            assert [step.id for step in found.versions[0].steps] == ["rest"]
    assert outlined == ["a", "b"]


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
