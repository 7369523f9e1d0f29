"""The embedded PostgreSQL, for real."""

import os
import shutil
import socket
from pathlib import Path

import psycopg
import pytest

from runtime.embedded.postgres import EmbeddedPostgres
from runtime.embedded.postgres_home import ELSEWHERE, POINTER
from runtime.embedded.processes import EmbeddedServerError, command_line, read_pid
from tests.runtime.conftest import killed_run

LEAVE_A_SERVER = """
import asyncio, sys
from pathlib import Path
from runtime.embedded.postgres import EmbeddedPostgres

async def main():
    server = await EmbeddedPostgres.start(Path(sys.argv[1]), durable=False)
    print(server.port, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def ask(url: str, question: str) -> object:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        cursor = await connection.execute(question.encode())
        return (await cursor.fetchone() or (None,))[0] if cursor.description else None


async def test_data_is_kept_and_only_its_owner_reads_the_password(folder: Path) -> None:
    first = await EmbeddedPostgres.start(folder, durable=False)
    await ask(first.url, "CREATE TABLE kept AS SELECT uuidv7() AS id")
    assert await ask(first.url, "SELECT current_database()") == "sojourn"
    assert await ask(first.url, "SHOW listen_addresses") == "127.0.0.1"
    with pytest.raises(psycopg.OperationalError, match="password"):
        await ask(f"postgresql://sojourn:wrong@127.0.0.1:{first.port}/sojourn", "SELECT 1")
    await first.stop()
    await first.stop()
    assert (folder / "password").stat().st_mode & 0o777 == 0o600
    assert first.url not in repr(first)

    second = await EmbeddedPostgres.start(folder, port=first.port)
    assert second.port == first.port
    assert await ask(second.url, "SELECT count(*) FROM kept") == 1
    assert await ask(second.url, "SHOW fsync") == "on"
    await second.stop()


async def test_the_server_of_a_killed_run_is_adopted(folder: Path) -> None:
    with killed_run(LEAVE_A_SERVER, str(folder)) as said:
        port = int(said)
    pid = read_pid(folder / "cluster" / "postmaster.pid")
    assert pid is not None
    assert command_line(pid) is not None

    adopted = await EmbeddedPostgres.start(folder, durable=False)
    assert (adopted.port, read_pid(folder / "cluster" / "postmaster.pid")) == (port, pid)
    assert await ask(adopted.url, "SELECT 1") == 1
    await adopted.stop()
    assert command_line(pid) is None


async def test_the_server_of_a_killed_run_is_replaced_when_it_promises_less(folder: Path) -> None:
    with killed_run(LEAVE_A_SERVER, str(folder)):
        pid = read_pid(folder / "cluster" / "postmaster.pid")
    assert pid is not None

    server = await EmbeddedPostgres.start(folder, durable=True)
    assert command_line(pid) is None
    assert await ask(server.url, "SHOW fsync") == "on"
    await server.stop()


async def test_a_number_reused_by_another_process_is_left_alone(folder: Path) -> None:
    server = await EmbeddedPostgres.start(folder, durable=False)
    await server.stop()
    (folder / "cluster" / "postmaster.pid").write_text(f"{os.getpid()}\n{folder}\n0\n{server.port}\n")
    again = await EmbeddedPostgres.start(folder, durable=False)
    assert await ask(again.url, "SELECT 1") == 1
    await again.stop()


async def test_a_taken_port_gives_way_to_a_free_one(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = await EmbeddedPostgres.start(folder, port=port, durable=False)
        assert server.port != port
        await server.stop()


async def test_a_failed_start_shows_the_log_of_the_server(folder: Path) -> None:
    server = await EmbeddedPostgres.start(folder, durable=False)
    await server.stop()
    (folder / "cluster" / "PG_VERSION").write_text("9.4\n")
    with pytest.raises(EmbeddedServerError, match=r"(?s)status 1\n.*initialized by PostgreSQL version 9.4"):
        await EmbeddedPostgres.start(folder, durable=False)


@pytest.mark.skipif(os.getuid() != 0, reason="only root runs the server as somebody else")
async def test_behind_a_private_folder_the_cluster_lives_elsewhere_and_dies_with_its_pointer(folder: Path) -> None:
    private = folder / "private"
    private.mkdir(mode=0o700)
    data = private / "data"
    server = await EmbeddedPostgres.start(data, durable=False)
    await ask(server.url, "CREATE TABLE kept ()")
    await server.stop()
    home = Path((data / POINTER).read_text().strip())
    assert home.parent == ELSEWHERE

    server = await EmbeddedPostgres.start(data, durable=False)
    assert await ask(server.url, "SELECT count(*) FROM kept") == 0
    await server.stop()

    shutil.rmtree(data)
    server = await EmbeddedPostgres.start(folder / "other", durable=False)
    await server.stop()
    assert home not in list(ELSEWHERE.iterdir())
