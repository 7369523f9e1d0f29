"""Templates are compiled and rendered beside the event loop of the worker, and for a limited time."""

import asyncio
import threading
from typing import Any

import pytest
from msgspec.structs import replace

from application import message_content
from application.catalogue import Catalogue, LoadedVersion
from application.ingest import Ingest
from application.rendering import RENDER_THREADS, Templates, run_in_thread
from domain.errors import UnavailableError
from domain.templates.template_sets import TemplateSet, load
from tests.engine.ingesting import AT as EVENT_AT
from tests.engine.ingesting import event
from tests.engine.send_harness import AT, HOOK, SendHarness, each, send_harness
from tests.harness import PATIENCE, looks

__all__ = ["send_harness"]


class Compiled(Templates):
    """Templates that are compiled."""

    def __init__(self, templates: Any) -> None:
        self._templates = templates
        self.read_account = False

    @property
    def are_compiled(self) -> bool:
        return True

    async def compile(self) -> dict[str, TemplateSet]:
        templates: dict[str, TemplateSet] = self._templates
        return templates


class SlowTemplate:
    """Renders nothing until it is let go, by what runs in the loop meanwhile."""

    def __init__(self, template: TemplateSet) -> None:
        self.template = template
        self.begun = threading.Event()
        self.let_go = threading.Event()

    def render(self, *args: Any, **named: Any) -> dict[str, Any]:
        self.begun.set()
        if not self.let_go.wait(30):
            raise AssertionError("the loop stood still")
        return self.template.render(*args, **named)


async def slowed(send_harness: SendHarness) -> SlowTemplate:
    """The template of the one campaign, slowed down."""
    catalogue: Catalogue = send_harness.sender._catalogue
    [(key, version)] = catalogue._versions.items()
    templates = await version.templates.compile()
    slow = SlowTemplate(templates["note"])
    catalogue._versions[key] = replace(version, templates=Compiled({"note": slow}))
    return slow


@each("send_harness", [HOOK], indirect=True)
async def test_the_loop_goes_on_while_a_template_renders(send_harness: SendHarness) -> None:
    slow = await slowed(send_harness)
    attempt = asyncio.create_task(send_harness.attempt())
    # The loop is free to wait for it, in another thread.
    assert await asyncio.to_thread(slow.begun.wait, 30)
    assert await send_harness.state() == ("sending", None)
    slow.let_go.set()
    assert (await attempt).state == "sent"


@each("send_harness", [HOOK], indirect=True)
async def test_a_template_that_does_not_come_is_tried_again(
    send_harness: SendHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = await slowed(send_harness)
    monkeypatch.setattr(message_content, "RENDER_SECONDS", 0.05)
    with pytest.raises(UnavailableError, match="rendering_took_too_long"):
        await send_harness.attempt()
    assert await send_harness.state() == ("reserved", "rendering_took_too_long")
    assert send_harness.provider.got == []
    slow.let_go.set()
    monkeypatch.setattr(message_content, "RENDER_SECONDS", 8.0)
    assert (await send_harness.attempt()).state == "sent"


@each("send_harness", [HOOK], indirect=True)
async def test_a_version_is_compiled_once_for_all_who_ask(
    send_harness: SendHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The relay and the worker have catalogues of their own, and have compiled the version by now.
    await send_harness.harness.rests(await send_harness.harness.journey("u1"), "later")
    catalogue = Catalogue()
    [(key, number)] = send_harness.sender._catalogue._versions
    calls: list[str] = []

    def counted(*loaded: Any) -> Any:
        calls.append(threading.current_thread().name)
        return load(*loaded)

    monkeypatch.setattr("application.rendering.load", counted)

    async def ask() -> LoadedVersion:
        async with send_harness.database.pipeline() as connection:
            return await catalogue.version(connection, key, number)

    first, *others = await asyncio.gather(*(ask() for _ in range(4)))
    assert others
    assert all(other is first for other in others)
    assert calls == []
    given_up = asyncio.create_task(first.templates.compile())
    await asyncio.sleep(0)
    given_up.cancel()
    compiled = await asyncio.gather(*(first.templates.compile() for _ in range(4)))
    assert all(one is compiled[0] for one in compiled)
    assert [name.partition("_")[0] for name in calls] == ["templates"]


@each("send_harness", [HOOK], indirect=True)
async def test_templates_that_take_long_to_compile_claim_nothing_and_hold_no_lock(send_harness: SendHarness) -> None:
    """Nor does the gate wait for them, nor an event that begins a journey."""
    let_go = threading.Event()
    busy = [asyncio.create_task(run_in_thread(let_go.wait, 30)) for _ in range(RENDER_THREADS)]
    try:
        send_harness.sender._catalogue = Catalogue()
        attempt = asyncio.create_task(send_harness.attempt())
        async for is_last in looks(PATIENCE):
            if any(version.templates._compiling for version in send_harness.sender._catalogue._versions.values()):
                break
            assert not is_last
        # An attempt that died here would have sent nothing.
        assert await send_harness.state() == ("reserved", None)
        for table in ("profiles", "addresses", "journeys", "messages", "campaigns"):
            await send_harness.harness.query(f"SELECT 1 FROM {table} FOR UPDATE NOWAIT")  # noqa: S608 -- the tables above
        send_harness.gate._catalogue = Catalogue()
        await send_harness.ask(2, AT)
        await Ingest(send_harness.database, Catalogue())([event("track", "u2", name="Signed Up")], received_at=EVENT_AT)
        assert len(await send_harness.harness.journeys.all()) == 2
        assert not attempt.done()
    finally:
        let_go.set()
    await asyncio.gather(*busy)
    assert (await attempt).state == "sent"
