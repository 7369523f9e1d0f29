"""Pages whose servers are killed: they come back one by one, and miss nothing."""

import asyncio
import os
from pathlib import Path
from signal import SIGKILL
from urllib.parse import urlsplit

import psycopg
import pytest

from api.page_scripts import describe_scripts
from runtime.embedded.postgres import EmbeddedPostgres
from store.migrate import upgrade
from tests.api.inboxes import follow, put, serve
from tests.api.live import api_process
from tests.api.shop import open_shop
from tests.clients.devtools import Session
from tests.clients.page_world import TEXT, World
from tests.clients.shop_front import open_front
from tests.clients.test_tabs import until_card
from tests.servers import server_folder

pytestmark = [pytest.mark.takes_long, pytest.mark.usefixtures("calm")]

PAGES = 4


def stream_times(page: Session) -> list[float]:
    """The instants at which a page has asked for a stream."""
    return [
        event["params"]["timestamp"]
        for event in page.events
        if event["method"] == "Network.requestWillBeSent"
        and event["params"]["request"]["url"].endswith("/v1/client/stream")
        and event["params"]["request"]["method"] == "GET"
    ]


async def test_pages_of_an_api_that_is_killed_come_back_apart_and_miss_nothing(world: World) -> None:
    database_url, own = world.shop.database_url, (world.front, world.shop.key)
    async with api_process(database_url) as api:
        scripts = describe_scripts(world.shop.app.state.script_builds, api.url)
        with open_front(api.url, scripts) as front:
            try:
                world.front, world.shop.key = front, await world.shop.create_key(name="killed", origins=[front.url])
                visitors = [await world.person() for _ in range(PAGES)]
                pages = []
                for visitor in visitors:
                    await visitor.put("card", title="Before", text=TEXT, actions=[])
                    pages.append(await visitor.open())
                for page in pages:
                    await until_card(page, "Before")
                before = [len(stream_times(page)) for page in pages]
                api.process.kill()
                await api.process.wait()
                for visitor in visitors:
                    await visitor.put("card", title="Meanwhile", text=TEXT, actions=[])
                async with api_process(database_url, port=urlsplit(api.url).port):
                    for page in pages:
                        await until_card(page, "Meanwhile")
                        await until_card(page, "Before")
                    for visitor in visitors:
                        await visitor.put("card", title="Later", text=TEXT, actions=[])
                    for page in pages:
                        await until_card(page, "Later")
                    returns = sorted(stream_times(page)[count] for page, count in zip(pages, before, strict=True))
                    # The API has told each of them another pause, of one to five seconds.
                    assert returns[-1] - returns[0] > 0.1, returns
            finally:
                world.front, world.shop.key = own


async def test_streams_go_on_when_the_database_is_killed() -> None:
    with server_folder() as name:
        postgres = await EmbeddedPostgres.start(Path(name, "postgres"))
        try:
            await asyncio.to_thread(upgrade, postgres.url)
            async with open_shop(postgres.url) as shop, serve(shop.app) as served:
                key, token = shop.key["token"], shop.token("u-victim")
                async with follow(served.url, key, user_token=token) as page:
                    await page.next("open")
                    kill(postgres.url)
                    await postgres.stop()
                    postgres = await EmbeddedPostgres.start(Path(name, "postgres"), port=postgres.port)
                    for _ in range(2):
                        # What was put while nobody listened, and then by a notice.
                        sent = await put(postgres.url, "u-victim")
                        assert (await page.next("message"))["message_id"] == sent
        finally:
            await postgres.stop()


def kill(url: str) -> None:
    """Kill a server of PostgreSQL, which cannot end what it does."""
    with psycopg.connect(url) as connection:
        [[folder]] = connection.execute("SHOW data_directory").fetchall()
    os.kill(int(Path(folder, "postmaster.pid").read_text().split()[0]), SIGKILL)
