"""`sojourn init` writes an example that works at once."""

import asyncio
import json
import re
import shlex
from pathlib import Path

import pytest

from cli.init import STARTER
from cli.main import run
from domain.document_schemas import NAMES, document_schema
from tests.cli.conftest import Output
from tests.harness import PATIENCE, WRITE_KEY, Harness

README = (STARTER / "README.md").read_text()
LINES = [line for block in re.findall(r"^```sh\n(.*?)^```$", README, re.M | re.S) for line in block.splitlines()]


async def test_the_lines_of_its_readme_send_its_mails(
    harness: Harness, deployment: str, folder: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await asyncio.to_thread(run, ["init"]) == 0
    monkeypatch.chdir(folder / "campaigns")
    assert LINES[0] == "sojourn dev"
    for line in LINES[1:]:
        match shlex.split(line):
            case ["sojourn", "dev", "forward", "2m"]:
                # Of a stack that `sojourn dev` runs; tests/runtime/test_forward.py runs it.
                await harness.rests(await harness.journey("u-1"), "first-project")
                await harness.skip(await harness.journey("u-1"), minutes=2)
            case ["sojourn", *words]:
                assert await asyncio.to_thread(run, words) == 0, capsys.readouterr()
            case ["curl", "-u", "$WRITE_KEY:", url, "-d", body]:
                path = url.removeprefix("http://localhost:8080")
                answer = await harness.http.post(path, json=json.loads(body), auth=(WRITE_KEY, ""))
                assert answer.json() == {"success": True}
            case ["export", "WRITE_KEY=…"]:
                pass
            case words:
                raise AssertionError(f"its README does something else: {words}")
    mails = await harness.inbox.wait_for(2, timeout=PATIENCE)
    assert [mail.message["Subject"] for mail in mails] == ["Welcome, Ada", "Your first project"]
    printed = capsys.readouterr()
    assert "welcome: version 1 published" in printed.out
    assert "warning" not in printed.err


@pytest.mark.usefixtures("nowhere")
def test_the_files_name_the_schemas_that_lie_beside_them(folder: Path, capsys: Output) -> None:
    assert run(["init", "mine"]) == 0
    *written, told = capsys.readouterr().out.splitlines()
    assert set(written) == {str(file) for file in Path("mine").rglob("*") if file.is_file()}
    assert told == "mine/README.md says what to do next. First: cd mine && sojourn dev"
    documents = list((folder / "mine").rglob("*.yaml"))
    assert len(documents) == 2
    for file in documents:
        marked = re.match(r"# yaml-language-server: \$schema=(\S+)\n", file.read_text())
        assert marked
        assert (file.parent / marked[1]).is_file()
    for name in NAMES:
        assert json.loads((folder / "mine/schemas" / f"{name}.schema.json").read_text()) == document_schema(name)


@pytest.mark.usefixtures("nowhere", "folder")
def test_the_next_command_can_be_copied(capsys: Output) -> None:
    assert run(["init", "our campaigns"]) == 0
    assert capsys.readouterr().out.endswith("First: cd 'our campaigns' && sojourn dev\n")


@pytest.mark.usefixtures("nowhere")
def test_a_dev_that_runs_is_not_to_be_started(folder: Path, capsys: Output) -> None:
    (folder / ".sojourn").mkdir()
    (folder / ".sojourn" / "dev.json").write_text("{}")
    assert run(["init", "mine"]) == 0
    assert capsys.readouterr().out.endswith("\nmine/README.md says what to do next. `sojourn dev` runs already.\n")


@pytest.mark.usefixtures("nowhere")
def test_nothing_is_overwritten(folder: Path, capsys: Output) -> None:
    (folder / "campaigns").mkdir()
    (folder / "campaigns/welcome.yaml").write_text("mine")
    assert run(["init"]) == 1
    assert capsys.readouterr().err == (
        "sojourn: nothing was written, since there is campaigns/welcome.yaml: name another folder\n"
    )
    assert [file.name for file in (folder / "campaigns").iterdir()] == ["welcome.yaml"]
    assert (folder / "campaigns/welcome.yaml").read_text() == "mine"


@pytest.mark.usefixtures("nowhere")
def test_a_file_in_the_place_of_the_folder_is_told(folder: Path, capsys: Output) -> None:
    (folder / "campaigns").write_text("")
    assert run(["init"]) == 1
    assert "sojourn: campaigns cannot be written: " in capsys.readouterr().err
