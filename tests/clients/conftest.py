"""One deployment and one browser for the tests of a module: about pages with a shop, or about the console."""

from collections.abc import AsyncIterator

import pytest

from api.page_scripts import describe_scripts
from tests.api.inboxes import serve
from tests.api.shop import open_shop
from tests.clients.console_site import Console, open_own_console
from tests.clients.console_stage import Stage
from tests.clients.devtools import devtools
from tests.clients.page_world import World
from tests.clients.shop_front import open_front
from tests.databases import database_of
from tests.harness import open_harness
from tests.servers import PostgresServer, TemporalServer


@pytest.fixture(scope="module")
async def world(
    postgres: PostgresServer, migrated: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    async with (
        database_of(postgres, migrated) as url,
        open_shop(url) as shop,
        serve(shop.app) as served,
        devtools(tmp_path_factory.mktemp("browser")) as tools,
    ):
        with open_front(served.url, describe_scripts(shop.app.state.script_builds, served.url)) as front:
            shop.key = await shop.create_key(name="front", origins=[front.url])
            yield World(shop, front, tools)


@pytest.fixture
async def calm(world: World) -> AsyncIterator[None]:
    """No page of a test breaks the policy, or meets an error."""
    begun = len(world.tools.events)
    yield
    violations, world.front.violations = world.front.violations, []
    world.front.script = ""
    assert violations == []
    thrown = [one for one in world.tools.events[begun:] if one["method"] == "Runtime.exceptionThrown"]
    assert thrown == []


@pytest.fixture(scope="module")
async def console(
    postgres: PostgresServer, migrated: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Console]:
    async with open_own_console(postgres, migrated, tmp_path_factory.mktemp("browser")) as console:
        await console.fill()
        yield console


@pytest.fixture(scope="module")
async def stage(
    postgres: PostgresServer, migrated: str, temporal: TemporalServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    async with (
        database_of(postgres, migrated) as url,
        open_harness(url, temporal, console_edit="apply", rate_limit_address=0) as harness,
        serve(harness.app) as served,
        devtools(tmp_path_factory.mktemp("browser")) as tools,
    ):
        # Its port is not known before.
        harness.app.state.console_origins = frozenset({served.url})
        yield Stage(harness, served.url, tools, url)
