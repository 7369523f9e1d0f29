"""A stack whose terminal is closed stops as if it had been told to."""

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECONDS = 60


def test_closing_the_terminal_stops_everything(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    master, terminal = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SOJOURN_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.foreground", "cli.main", "dev", "--data", str(tmp_path / "data")],
        cwd=ROOT,
        env=environment,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    try:
        deadline = time.monotonic() + SECONDS
        while not (tmp_path / "data" / "dev.json").exists():
            assert time.monotonic() < deadline
            assert process.poll() is None
            os.read(master, 4096)
        os.close(master)
        process.wait(SECONDS)
    finally:
        process.kill()
        process.wait()
    assert not (tmp_path / "data" / "dev.json").exists()
    assert not list((tmp_path / "data").rglob("postmaster.pid"))
