"""The short form of `make chaos`: about two minutes, with every kind of fault and few events."""

import asyncio
import os
import sys
from pathlib import Path
from signal import SIGINT
from typing import get_args

import pytest

from runtime.embedded.processes import command_line
from tests.chaos.__main__ import INTERRUPTED
from tests.chaos.faults import schedule
from tests.chaos.report import as_json, lines
from tests.chaos.reporter import ReportKind
from tests.chaos.run import ClockSetError, Length, check_clock, run
from tests.harness import PATIENCE, looks
from tests.processes import ROOT

SEED = os.environ.get("SOJOURN_TEST_SEED", "short")
pytestmark = [pytest.mark.chaos, pytest.mark.takes_long]
# What a worker has in hand when it is killed, another takes up after 20 s.
SHORT = Length(seconds=65, rate=0.75, people=12, patience=180)


async def test_every_promise_is_kept_under_every_kind_of_fault(data_folder: Path) -> None:
    folder = data_folder / "chaos"
    folder.mkdir(mode=0o755)
    result = await run(folder, SEED, SHORT)
    print("\n".join(lines(result)))  # noqa: T201
    assert not result.violations
    # It was a run: all that was planned was done and recovered from, and the faults met somebody.
    assert [recovery.fault for recovery in sorted(result.recoveries, key=lambda one: one.fault.at)] == list(
        schedule(SEED, SHORT.seconds, result.left_out)
    )
    assert result.repeats
    assert result.history.migrations["moved"] > 0
    assert {"postgres", "temporal"} < set(result.starts)
    arrivals = result.history.arrivals
    assert {arrival.effect for arrival in arrivals} == {"done", "again", "refused", "none"}
    assert {arrival.provider for arrival in arrivals} == {"http", "relay", "keyless", "keyed"}
    assert {report.kind for report in result.history.reports} == {*get_args(ReportKind)}
    assert result.history.forgeries
    assert {note.kind for note in result.history.notes} >= {"provider_pauses"}
    assert '"violations": []' in as_json(result)


def test_a_run_in_which_the_machine_s_clock_was_set_tells_nothing() -> None:
    check_clock(1_000.0, 1_000.02)
    with pytest.raises(ClockSetError, match=r"was set by -0\.300 s during the run: run it again"):
        check_clock(1_000.0, 999.7)


async def test_a_run_that_is_broken_off_leaves_nothing_behind(data_folder: Path) -> None:
    """Ctrl-C, once the services have been started."""
    folder = data_folder / "broken-off"
    folder.mkdir(mode=0o755)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.foreground", "tests.chaos", "--seconds", "60", "--calm"),
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async for is_last in looks(PATIENCE):
            if list(folder.glob("*/worker-*.log")):
                break
            assert not is_last
        process.send_signal(SIGINT)
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == INTERRUPTED, output.decode()
    assert _using(folder) == []


def _using(folder: Path) -> list[str]:
    """The processes that were told of a folder, and what is mounted there."""
    told = [" ".join(command_line(int(entry.name)) or ()) for entry in Path("/proc").glob("[0-9]*")]
    return [line for line in (*told, *Path("/proc/mounts").read_text().splitlines()) if str(folder) in line]
