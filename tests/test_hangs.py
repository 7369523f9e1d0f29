"""Tests that hang: each fails, says where it hung, and lets the next one run."""

import os
import subprocess
import sys
from pathlib import Path

from tests.processes import ROOT

INI = """[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = session
asyncio_default_test_loop_scope = session
"""
HANGING = """
import asyncio, threading, time
import pytest
from tests import hangs

hangs.LIMIT = 0.2


async def test_that_waits_for_what_never_comes():
    await asyncio.Event().wait()  # here it waits


@pytest.fixture
async def never():
    yield
    await asyncio.Event().wait()  # here it leaves


async def test_whose_fixture_never_ends(never):
    pass


def test_that_waits_without_a_loop():
    threading.Event().wait()  # here it blocks


async def test_that_catches_its_cancellation():
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        pass


async def test_that_ends():
    pass
"""
BLOCKING = """
import time
from tests import hangs

hangs.LIMIT = hangs.GRACE = 0.2


async def test_that_blocks_its_loop():
    time.sleep(60)  # here it sleeps
"""


def run(folder: Path, source: str) -> subprocess.CompletedProcess[str]:
    (folder / "pytest.ini").write_text(INI)
    (folder / "test_hanging.py").write_text(source)
    plugins = [part for name in ("tests.hangs", "no:cacheprovider", "no:schemathesis") for part in ("-p", name)]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-c", folder / "pytest.ini", *plugins, "--tb=short", folder],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "SOJOURN_PROVE"))},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_test_that_hangs_fails_where_it_hung(tmp_path: Path) -> None:
    output = run(tmp_path, HANGING).stdout
    assert "3 failed, 2 passed, 1 error" in output
    assert output.count("E   TimeoutError: not over after 0.2 s") == 4
    for place in ("waits", "leaves", "blocks"):
        assert f"# here it {place}" in output


def test_a_loop_that_is_blocked_ends_its_process_with_the_stacks_of_its_threads(tmp_path: Path) -> None:
    ended = run(tmp_path, BLOCKING)
    assert ended.returncode == 1
    assert "in test_that_blocks_its_loop" in ended.stderr
