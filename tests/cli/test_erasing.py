"""A person is exported into a file, erased, and gone."""

import asyncio
import json
from pathlib import Path

from cli.main import run
from tests.cli.conftest import Output
from tests.harness import Harness


async def sojourn(*arguments: str) -> int:
    return await asyncio.to_thread(run, list(arguments))


async def test_a_person_is_exported_and_erased(
    harness: Harness, deployment: str, capsys: Output, tmp_path: Path
) -> None:
    await harness.identify("u-1", email="ada@example.com")
    file = tmp_path / "u-1.ndjson"
    assert await sojourn("users", "export", "u-1", str(file)) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    exported = [json.loads(line) for line in file.read_text().splitlines()]
    [person] = [one["row"] for one in exported if one["table"] == "profiles"]
    assert person["traits"] == {"email": "ada@example.com"}
    capsys.readouterr()
    assert await sojourn("users", "erase", "u-1", "--yes", "--wait") == 0
    assert "erase deployment: done" in capsys.readouterr().out
    assert await sojourn("users", "export", "u-1") != 0
    assert "nothing was ever reported of user u-1" in capsys.readouterr().err
    assert await sojourn("operations") == 0
    assert "erase" in capsys.readouterr().out
