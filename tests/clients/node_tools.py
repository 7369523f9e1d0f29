"""Tools of Node.js that belong to browser/."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "browser"


def run_node(*arguments: str, folder: Path = PACKAGE) -> str:
    """Run a tool of the package; return what it prints."""
    if shutil.which("node") is None or not (PACKAGE / "node_modules").exists():
        if "CI" in os.environ:
            pytest.fail("the tests of browser/ need Node.js and its packages: make test")
        pytest.skip("no Node.js, or no packages: make browser")
    done = subprocess.run(["node", *arguments], cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
