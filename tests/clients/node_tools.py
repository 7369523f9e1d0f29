"""Tools of Node.js that belong to browser/ and console/."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "browser"
CONSOLE = ROOT / "console"


def run_node(*arguments: str, folder: Path = PACKAGE) -> str:
    """Run a tool of a package; return what it prints."""
    if shutil.which("node") is None or not (folder / "node_modules").exists():
        if "CI" in os.environ:
            pytest.fail(f"the tests of {folder.name}/ need Node.js and its packages: make test")
        pytest.skip(f"no Node.js, or no packages: make {folder.name}")
    done = subprocess.run(["node", *arguments], cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
