"""The targets that prepare this machine say what they do, and do it once."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Stands for the interpreter of the virtual environment: pip would download for minutes.
PYTHON = '#!/bin/sh\necho "$@" >>"$(dirname "$0")/calls"\n'


def make(*arguments: str) -> str:
    """Run make in the repository, as a shell would; what it prints."""
    # A make that runs the tests passes on its own state.
    variables = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    done = subprocess.run(
        ["/usr/bin/env", "make", *arguments],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return done.stdout


def test_installing_says_what_and_how_long_and_nothing_once_it_is_done(tmp_path: Path) -> None:
    python = tmp_path / "bin/python"
    python.parent.mkdir()
    python.write_text(PYTHON)
    python.chmod(0o755)
    ready = str(tmp_path / "ready")
    begun, ended = make(f"VENV={tmp_path}", ready).splitlines()
    packages = len(re.findall(r"^[\w.-]+==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    assert begun.startswith(f"Installing {packages} packages into {tmp_path} (about ")
    assert re.fullmatch(r"Installed in \d+ s\.", ended)
    calls = (tmp_path / "bin/calls").read_text().splitlines()
    assert [call.rpartition(" ")[2] for call in calls] == ["requirements.lock", "."]
    assert "Install" not in make(f"VENV={tmp_path}", ready)


@pytest.fixture
def deployment(tmp_path: Path) -> Path:
    (tmp_path / "deploy").mkdir()
    shutil.copy(ROOT / "deploy/env.sh", tmp_path / "deploy")
    shutil.copy(ROOT / ".env.example", tmp_path)
    return tmp_path


def write_env(deployment: Path) -> subprocess.CompletedProcess[str]:
    command = ["/bin/sh", str(deployment / "deploy/env.sh")]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_make_env_runs_the_script() -> None:
    assert make("-n", "env") == "sh deploy/env.sh\n"


def test_env_has_new_secrets_for_its_owner_alone_and_is_not_overwritten(deployment: Path) -> None:
    assert write_env(deployment).returncode == 0
    file = deployment / ".env"
    written = file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    again = write_env(deployment)
    assert (again.returncode, again.stderr) == (1, ".env is there already: remove it first to make new secrets\n")
    assert file.read_text() == written
    file.unlink()
    assert write_env(deployment).returncode == 0
    assert file.read_text() != written
    assert {path.name for path in deployment.iterdir()} == {".env", ".env.example", "deploy"}
