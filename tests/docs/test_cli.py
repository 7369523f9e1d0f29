"""docs/cli.md is true: its commands run, in its order, on the real engine, and its tables are those of the code."""

import asyncio
import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli import exit_codes
from cli.config import read_config
from cli.main import app, run
from tests.cli.conftest import Output, api_url, deployment, folder, no_logs
from tests.harness import ADMIN_KEY, Harness

__all__ = ["api_url", "deployment", "folder", "no_logs"]  # fixtures

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "cli.md").read_text()
LINES = [
    line.partition("  #")[0].strip()
    for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
# Run by tests/runtime/test_forward.py, and those with settings by tests/runtime/test_dev_stack.py.
DEVELOPMENT = [line for line in LINES if line.startswith("sojourn dev ")]
WITH_SETTINGS = [line for line in LINES if line.startswith("SOJOURN_")]
USERS = ("u-1", "u-2", "u-3", "u-4")


@pytest.mark.takes_long
async def test_the_commands_run(
    harness: Harness, deployment: str, capsys: Output, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(ROOT)
    made = {name: str(tmp_path / name) for name in ("my-campaigns", "people.csv", "providers.yaml")}
    # By a provider that exists here: webhooks of this page are called.
    (tmp_path / "providers.yaml").write_text("providers: {hooks: {kind: http, channel: webhook}}\n")
    (tmp_path / "people.csv").write_text("user_id,E-mail,Seats\nu-1,ada@example.com,3\n")
    for line in (line for line in LINES if line not in DEVELOPMENT + WITH_SETTINGS):
        _, *words = shlex.split(line)
        known = made | await _known(harness, words, capsys)
        assert await asyncio.to_thread(run, [known.get(word, word) for word in words]) == 0, (line, capsys.readouterr())
        if words[0] == "start":
            await _let_in(harness)


async def _let_in(harness: Harness) -> None:
    for user in USERS:
        await harness.identify(user, email=f"{user}@example.com")
        properties = {"cart_id": f"c-{user}", "value": 120, "checkout_url": "https://shop.example.com/c"}
        await harness.track(user, "Cart Abandoned", properties)
        await harness.post("group", {"userId": user, "groupId": "acme"})
    await harness.until("SELECT 1 FROM journeys HAVING count(*) FILTER (WHERE status = 'waiting') = %s", len(USERS))


async def _known(harness: Harness, words: list[str], capsys: Output) -> dict[str, str]:
    """What stands for the words in capitals of a line."""
    match words:
        case ["apply", file, *_, "--plan", "HASH", "--watch"]:
            capsys.readouterr()
            assert await asyncio.to_thread(run, ["plan", file, "--in-flight", "migrate"]) == 0
            return {"HASH": capsys.readouterr().out.split()[-1]}
        case ["journeys", _, "ID"]:
            # As long as there is one, it is one that rests at the first step.
            query = "SELECT id::text FROM journeys WHERE status = 'waiting' AND step = 'cool-off' LIMIT 1"
        case ["hold", "--user", *_]:
            return {"INSTANT": f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}"}
        case ["hold", "release", "ID"]:
            query = "SELECT id::text FROM holds"
        case ["messages", "show", "ID"]:
            query = "SELECT id::text FROM messages WHERE step = 'message'"
        case ["operations", "ID", *_]:
            query = "SELECT id::text FROM operations LIMIT 1"
        case ["keys", "revoke", "ID"]:
            query = "SELECT id FROM api_keys"
        case ["sessions", "revoke", "ID"]:
            page = {"Origin": harness.settings.public_url}
            answer = await harness.http.post("/v1/session", json={"key": ADMIN_KEY}, headers=page)
            assert answer.status_code == 201, answer.text
            query = "SELECT id FROM console_sessions"
        case ["archive", key]:
            await harness.until("SELECT 1 FROM campaigns WHERE key = %s AND state = 'ended'", key)
            return {}
        case _:
            return {}
    [row] = await harness.query(query)
    return {"ID": row["id"]}


def test_every_command_is_told_of() -> None:
    names = {
        command.name or getattr(command.callback, "__name__", "").replace("_", "-")
        for command in app.registered_commands
    }
    names |= {group.name for group in app.registered_groups}
    assert {name for name in names if f"sojourn {name}" not in PAGE} == set()
    assert {words.split()[1] for words in LINES if words not in WITH_SETTINGS} <= names


def test_the_exit_statuses_are_those_of_the_code() -> None:
    told = {int(number) for number in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}
    assert told == {value for name, value in vars(exit_codes).items() if name.isupper() and isinstance(value, int)}


def test_the_config_file_is_one(tmp_path: Path) -> None:
    [block] = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    file = tmp_path / "config.toml"
    file.write_text(block)
    file.chmod(0o600)
    config = read_config(file)
    assert config.default_context in config.contexts
    assert [bool(profile.key) for profile in config.contexts.values()] == [True, False]
