"""`sojourn dev` at a terminal: readable, and quiet but for what happens."""

import json
import os
import pty
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.forks import fork_at_terminal
from tests.runtime.conftest import folder

__all__ = ["folder"]  # fixture

SECONDS = 120.0


class Shown:
    """What a terminal shows, as it comes."""

    def __init__(self, master: int) -> None:
        self.text = ""
        self._has_grown = threading.Condition()
        self._reader = threading.Thread(target=self._read, args=(master,))
        self._reader.start()

    def wait_for(self, text: str) -> None:
        with self._has_grown:
            assert self._has_grown.wait_for(lambda: text in self.text, SECONDS), self.text

    def close(self) -> None:
        self._reader.join()

    def _read(self, master: int) -> None:
        while True:
            try:
                piece = os.read(master, 65_536)
            except OSError:  # as Linux says that the other end was closed
                piece = b""
            with self._has_grown:
                self.text += piece.decode()
                self._has_grown.notify_all()
            if not piece:
                return


@contextmanager
def dev_at_terminal(folder: Path) -> Iterator[Shown]:
    """A `sojourn dev`, which is interrupted in the end."""
    master, terminal = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SOJOURN_")}
    environment.pop("NO_COLOR", None)
    process = fork_at_terminal(terminal, "dev", "--data", str(folder), variables=environment)
    os.close(terminal)
    shown = Shown(master)
    try:
        yield shown
        assert process.pid is not None
        os.kill(process.pid, signal.SIGINT)
        process.join(SECONDS)
        assert process.exitcode == 0
    finally:
        process.kill()
        process.join()
        shown.close()
        os.close(master)


@pytest.mark.takes_long
def test_it_tells_what_happens_to_users(folder: Path) -> None:
    with dev_at_terminal(folder / "data") as shown:
        shown.wait_for("Ctrl-C")
        said = json.loads((folder / "data" / "dev.json").read_text())
        keys = json.loads((folder / "data" / "keys.json").read_text())
        call = {"userId": "u-1", "event": "Seen \x1b[31mred", "timestamp": "2026-01-01T10:00:00Z"}
        with httpx.Client(base_url=said["api_url"], trust_env=False) as api:
            assert api.post("/v1/track", json=call, auth=(keys["write_key"], "")).is_success
        shown.wait_for("event accepted")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown.text)
    [line] = [line for line in plain.splitlines() if "event accepted" in line]
    assert re.fullmatch(
        r'\d\d:\d\d:\d\d event accepted +user=u-1 name="Seen \\u001b\[31mred" at=2026-01-01T\d\d:00', line
    )
    assert shown.text != plain, "there are colours"
    assert "\x1b[31m" not in shown.text
    assert "{" not in plain, "no line is JSON"
    assert plain.startswith("Starting PostgreSQL, ")
    assert plain.splitlines()[-1] == "Stopping."
