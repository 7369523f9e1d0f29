"""The console command while its modules are imported."""

import signal
import subprocess
import sys
import tomllib

import pytest

from cli import entry
from cli.exit_codes import INTERRUPTED
from tests.processes import ROOT

IGNORES = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); from cli.entry import main; main()"


def test_the_command_begins_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"]["sojourn"] == "cli.entry:main"
    assert entry.INTERRUPTED == INTERRUPTED


@pytest.mark.parametrize("module", ["typer", "httpx", "domain.errors"])
def test_ctrl_c_during_the_imports_is_quiet(module: str) -> None:
    """The interpreter names each module once it is imported, and others follow."""
    command = [sys.executable, "-X", "importtime", "-m", "cli.entry", "rehearse", "examples", "--watch"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.split("|")[-1].strip() == module:
                break
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED
    assert said == ""
    assert not [line for line in errors.splitlines() if not line.startswith("import time:")]


def test_ctrl_c_may_be_ignored() -> None:
    """A shell starts commands in the background so."""
    command = [sys.executable, "-X", "importtime", "-c", IGNORES, "--version"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.split("|")[-1].strip() == "typer":
                break
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert said.startswith("sojourn ")
