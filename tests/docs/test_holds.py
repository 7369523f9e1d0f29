"""docs/holds.md is true: its commands and its calls are made, in its order."""

import asyncio
import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

from application.holds import MAX_OPEN
from cli.main import run
from domain.sending.holds import MAX_HOLD, HoldState
from tests.cli.conftest import Output, api_url, deployment, folder, no_logs
from tests.docs.curl import curl_lines, read_curl
from tests.harness import ADMIN_KEY, Harness

__all__ = ["api_url", "deployment", "folder", "no_logs"]  # fixtures

PAGE = (Path(__file__).parents[2] / "docs" / "holds.md").read_text()
# The page's Christmas is ahead whenever this runs.
SOON = PAGE.replace("2026-12-24", f"{datetime.now(UTC) + timedelta(days=20):%Y-%m-%d}")


async def test_the_commands_and_the_calls_of_the_page(harness: Harness, deployment: str, capsys: Output) -> None:
    await harness.identify("u-1", email="u-1@example.com")

    async def latest() -> str:
        found = await harness.query("SELECT id::text FROM holds ORDER BY id DESC LIMIT 1")
        return str(found[0]["id"]) if found else ""

    for line in [line for line in SOON.splitlines() if line.startswith("sojourn ")]:
        hold = await latest()
        words = [hold if word == "ID" else word for word in shlex.split(line, comments=True)[1:]]
        assert await asyncio.to_thread(run, words) == 0, (line, capsys.readouterr())
    for text in curl_lines(SOON):
        call = read_curl(text, {"KEY": ADMIN_KEY, "HOLD": await latest()})
        answer = await harness.http.send(call.request)
        assert answer.status_code == call.status, answer.text
    listed = answer.json()["holds"]
    assert [one["state"] for one in listed] == ["released", "released"]


def test_the_states_and_bounds_are_those_of_the_code() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)[1:] == list(get_args(HoldState))
    assert f"at most {MAX_HOLD.days} days" in PAGE
    assert f"at most {MAX_OPEN}:" in PAGE
