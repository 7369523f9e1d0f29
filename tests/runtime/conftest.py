import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers import server_folder

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder that every user can reach, unlike pytest's own, which root makes private."""
    with server_folder() as made:
        yield Path(made)


@contextmanager
def killed_run(script: str, *arguments: str) -> Iterator[str]:
    """Run a script in a process of its own, yield its first line of output, and kill it without warning."""
    with subprocess.Popen(
        [sys.executable, "-c", script, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            os.kill(process.pid, signal.SIGKILL)
