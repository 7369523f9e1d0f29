"""What somebody at a terminal sees, and is asked."""

import asyncio
import os
import pty
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cli.conftest import CAMPAIGN
from tests.forks import fork_at_terminal
from tests.harness import Harness

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass
class Terminal:
    """Runs commands as a terminal would, and answers what they ask."""

    columns: int = 80
    environment: dict[str, str] = field(default_factory=dict)

    async def run(self, *arguments: str, answers: dict[str, str] | None = None) -> tuple[int, str]:
        """The exit status and all that was shown. What is shown with a text of `answers` is answered, once."""
        return await asyncio.to_thread(self._run, arguments, dict(answers or {}))

    def _run(self, arguments: tuple[str, ...], answers: dict[str, str]) -> tuple[int, str]:
        master, terminal = pty.openpty()
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(self.columns), **self.environment}
        process = fork_at_terminal(terminal, *arguments, variables=environment)
        os.close(terminal)
        shown = ""
        while piece := _read(master):
            shown += piece
            for asked in list(answers):
                if asked in shown:
                    os.write(master, answers.pop(asked).encode())
        os.close(master)
        process.join()
        assert process.exitcode is not None
        return process.exitcode, shown


def _read(master: int) -> str:
    try:
        return os.read(master, 4096).decode(errors="replace")
    except OSError:  # that is how Linux says that nobody writes any more
        return ""


@pytest.fixture
async def resting(harness: Harness, deployment: str) -> Harness:
    """A running campaign with three journeys that rest."""
    await harness.run_campaign(CAMPAIGN.format(key="cart"))
    for number in range(3):
        await harness.track(f"u-{number}", "Cart Abandoned")
    await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM outbox)")
    return harness


async def test_what_ends_journeys_is_asked_first(resting: Harness, deployment: str) -> None:
    terminal = Terminal(columns=100)
    status, shown = await terminal.run("stop", "cart", "--exit", answers={"[y/N]": "n\n"})
    assert status == 1
    assert f"Stop cart, and end all journeys, on {deployment}? [y/N]" in shown
    assert await resting.query("SELECT 1 FROM campaigns WHERE state = 'running'")
    status, shown = await terminal.run("stop", "cart", "--exit", "--watch", answers={"[y/N]": "y\n"})
    assert status == 0
    assert "cart: stopping, version 1" in shown
    assert "━" in shown
    assert re.search(r"exit cart .*100%.*done, 3 of 3", ESCAPES.sub("", shown).splitlines()[-1])


async def test_what_is_answered_beforehand_is_not_asked(resting: Harness) -> None:
    status, shown = await Terminal().run("stop", "cart", "--exit", "--yes")
    assert status == 0
    assert "?" not in ESCAPES.sub("", shown)


async def test_a_watch_that_is_left_says_how_to_look_again(resting: Harness) -> None:
    [row] = await resting.query(
        """
        INSERT INTO operations (id, campaign_key, kind, state, total, done, requested_by, started_at)
        VALUES (uuidv7(), 'cart', 'migrate', 'running', 10, 4, 'test', now()) RETURNING id::text
        """
    )
    watch = ("operations", row["id"], "--watch")
    status, shown = await Terminal().run(*watch, answers={"40%": "\x03"})
    assert status == 130
    assert f"It goes on. Look again: sojourn {' '.join(watch)}" in shown
    assert await resting.query("SELECT 1 FROM operations WHERE id = %s AND state = 'running'", row["id"])


async def test_tables_fold_and_keep_ids_whole(resting: Harness) -> None:
    await resting.query(
        """
        INSERT INTO operations
          (id, campaign_key, kind, state, total, done, counts, requested_by, started_at, finished_at)
        VALUES (uuidv7(), 'cart', 'migrate', 'done', 10, 10, '{"migrated": 6, "step_removed": 4}', 'test', now(), now())
        RETURNING id
        """
    )
    _, narrow = await Terminal(columns=80).run("operations", "--campaign", "cart")
    _, wide = await Terminal(columns=200).run("operations", "--campaign", "cart")
    for shown, lines in ((narrow, 3), (wide, 2)):
        plain = ESCAPES.sub("", shown).splitlines()
        assert len(plain) >= lines
        assert re.match(r"[0-9a-f-]{36}  migrate", plain[1])
    assert len(ESCAPES.sub("", narrow).splitlines()) > len(ESCAPES.sub("", wide).splitlines())
    assert "10 of 10  migrated 6, step removed 4" in wide


async def test_colours_can_be_had_away(resting: Harness) -> None:
    _, coloured = await Terminal().run("--help")
    _, plain = await Terminal(environment={"NO_COLOR": "1"}).run("--help")
    colour = re.compile(r"\x1b\[[0-9;]*3\dm")
    assert colour.search(coloured)
    assert not colour.search(plain)


async def test_what_is_done_to_many_is_asked_with_their_number(resting: Harness, deployment: str, folder: Path) -> None:
    file = folder / "cart.yaml"
    file.write_text(CAMPAIGN.format(key="cart").replace("30m", "45m"))
    terminal = Terminal(columns=200)
    status, shown = await terminal.run("apply", str(file), "--in-flight", "exit", answers={"[y/N]": "n\n"})
    assert status == 1
    assert f"Apply cart on {deployment}, in flight: exits 3? [y/N]" in shown
    assert await resting.query("SELECT 1 FROM campaign_versions WHERE version = 2") == []
    status, shown = await terminal.run("journeys", "exit", "--campaign", "cart", answers={"[y/N]": "n\n"})
    assert status == 1
    assert f"End 3 journeys of cart on {deployment}? [y/N]" in shown
    assert await resting.query("SELECT 1 FROM operations") == []
    status, shown = await terminal.run("apply", str(file), answers={"[y/N]": "n\n"})
    assert (status, "[y/N]" in shown) == (0, False)
