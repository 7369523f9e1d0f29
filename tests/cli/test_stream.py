"""Everything that is recorded, as `sojourn stream` prints it."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from cli.main import run
from tests.cli.conftest import Output
from tests.harness import ADMIN_KEY, WRITE_KEY
from tests.test_readme import ROOT

SECONDS = 60


def track(api_url: str, *names: str) -> None:
    batch = [{"type": "track", "userId": "u1", "event": name} for name in names]
    answer = httpx.post(f"{api_url}/v1/batch", json={"batch": batch}, auth=(WRITE_KEY, ""), trust_env=False)
    assert answer.status_code == 200


def read(capsys: Output, *arguments: str) -> tuple[list[dict[str, Any]], str]:
    """What the command prints, and the cursor that it tells."""
    assert run(["stream", *arguments]) == 0
    printed = capsys.readouterr()
    return [json.loads(line) for line in printed.out.splitlines()], printed.err.split()[-1]


def poll(capsys: Output, *arguments: str) -> Iterator[tuple[list[dict[str, Any]], str]]:
    """Again and again: transactions of other tests may still be open."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        yield read(capsys, *arguments)
        time.sleep(0.05)
    raise AssertionError("it does not come")


@pytest.mark.usefixtures("deployment")
def test_the_stream_goes_on_from_a_cursor(api_url: str, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    track(api_url, "A", "B", "C")
    items, cursor = next(found for found in poll(capsys) if len(found[0]) == 3)
    assert [item["data"]["name"] for item in items] == ["A", "B", "C"]
    assert [item["type"] for item in items] == ["event"] * 3
    assert {item["data"]["user_id"] for item in items} == {"u1"}
    assert read(capsys, "--after", cursor)[0] == []
    assert [item["data"]["name"] for item in read(capsys, "--after", items[0]["cursor"])[0]] == ["B", "C"]
    assert read(capsys, "--type", "message")[0] == []
    track(api_url, "D")
    items, _ = next(found for found in poll(capsys, "--after", cursor) if found[0])
    assert [item["data"]["name"] for item in items] == ["D"]

    assert run(["stream", "--after", "mine"]) == 1
    told = capsys.readouterr().err
    assert "not a cursor of the stream" in told
    assert "Go on with" not in told
    for scope, status in (("read", 1), ("operate", 1), ("stream", 0)):
        monkeypatch.setenv("SOJOURN_API_KEY", ADMIN_KEY)
        assert run(["keys", "create", "--name", scope, "--scope", scope, "--json"]) == 0
        monkeypatch.setenv("SOJOURN_API_KEY", json.loads(capsys.readouterr().out)["token"])
        assert run(["stream"]) == status
        assert ("scope stream" in capsys.readouterr().err) == (status == 1)
    assert run(["campaigns"]) == 1


async def test_following_bears_lost_connections_and_ends_with_its_cursor(deployment: str) -> None:
    """Through a relay that closes the first connection at once."""
    port = int(deployment.rpartition(":")[2])
    connections = 0

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        if connections == 1:
            writer.close()
            return
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, to_writer), pump(to_reader, writer), return_exceptions=True)

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        relay = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.foreground", "cli.main", "stream", "--follow"),
            cwd=ROOT,
            env={**os.environ, "SOJOURN_API_URL": relay, "SOJOURN_API_KEY": ADMIN_KEY},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(SECONDS):
                await asyncio.to_thread(track, deployment, "A")
                first = json.loads(await process.stdout.readline())
                await asyncio.to_thread(track, deployment, "B")
                second = json.loads(await process.stdout.readline())
                process.send_signal(signal.SIGINT)
                _, told = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
    assert [first["data"]["name"], second["data"]["name"]] == ["A", "B"]
    assert process.returncode == 130
    assert "trying again" in told.decode()
    assert "Go on with --after " in told.decode().splitlines()[-1]
