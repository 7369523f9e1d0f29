"""What the proxy does to a connection to PostgreSQL."""

import asyncio

import psycopg
import pytest

from runtime.embedded.postgres import EmbeddedPostgres
from tests.chaos.proxy import Proxy
from tests.harness import PATIENCE, looks


@pytest.fixture
async def proxy(postgres: EmbeddedPostgres) -> Proxy:
    made = Proxy(postgres.port)
    await made.start()
    return made


def through(proxy: Proxy, url: str) -> str:
    return url.replace(f":{proxy.target}/", f":{proxy.port}/")


async def test_a_commit_whose_answer_is_lost_has_been_made(proxy: Proxy, database_url: str) -> None:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as direct:
        await direct.execute("CREATE TABLE kept (id int)")
        connection = await psycopg.AsyncConnection.connect(through(proxy, database_url))
        await connection.execute("INSERT INTO kept VALUES (1)")
        proxy.is_mute = True
        commit = asyncio.create_task(connection.commit())
        async for is_last in looks(PATIENCE):
            if await (await direct.execute("SELECT 1 FROM kept")).fetchone() is not None:
                break
            assert not is_last
        assert not commit.done()
        proxy.cut()
        with pytest.raises(psycopg.OperationalError):
            await commit
        await connection.close()
    await proxy.stop()


async def test_nobody_gets_through_while_it_is_cut(proxy: Proxy, database_url: str) -> None:
    connection = await psycopg.AsyncConnection.connect(through(proxy, database_url))
    proxy.is_cut = True
    proxy.cut()
    with pytest.raises(psycopg.OperationalError):
        await connection.execute("SELECT 1")
    await connection.close()
    with pytest.raises(psycopg.OperationalError):
        await psycopg.AsyncConnection.connect(through(proxy, database_url))
    proxy.is_cut = False
    async with await psycopg.AsyncConnection.connect(through(proxy, database_url)) as again:
        await again.execute("SELECT 1")
    await proxy.stop()
