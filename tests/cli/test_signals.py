"""A stack whose terminal is closed stops as if it had been told to."""

import os
import pty
import time
from pathlib import Path

from tests.forks import fork_at_terminal

SECONDS = 60


def test_closing_the_terminal_stops_everything(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    master, terminal = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SOJOURN_")}
    process = fork_at_terminal(terminal, "dev", "--data", str(tmp_path / "data"), variables=environment)
    os.close(terminal)
    try:
        deadline = time.monotonic() + SECONDS
        while not (tmp_path / "data" / "dev.json").exists():
            assert time.monotonic() < deadline
            assert process.exitcode is None
            os.read(master, 4096)
        os.close(master)
        process.join(SECONDS)
    finally:
        process.kill()
        process.join()
    assert not (tmp_path / "data" / "dev.json").exists()
    assert not list((tmp_path / "data").rglob("postmaster.pid"))
