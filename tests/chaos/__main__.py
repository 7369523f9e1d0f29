"""`make chaos`: the whole service under faults for some minutes. Status 0 if every promise was kept, 1 if not."""

import argparse
import asyncio
import secrets
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from runtime.process import exit_now
from tests.chaos.report import as_json, lines
from tests.chaos.run import Length, Result, run

BROKEN, INTERRUPTED = 1, 130


def main() -> int:
    """Run, and print the report; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", help="of the faults and the stream; a new one, if left out")
    parser.add_argument("--seconds", type=float, default=600, help="of stream and faults; what is begun takes longer")
    parser.add_argument("--calm", action="store_true", help="without faults")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    asked = parser.parse_args()
    seed = asked.seed or secrets.token_hex(4)
    folder = Path(tempfile.mkdtemp(prefix="sojourn-chaos-"))
    # The database's own user has to get in.
    folder.chmod(0o755)
    _say(f"Seed {seed}. Logs are in {folder} until all went well.")
    length = Length(asked.seconds, rate=1.5, people=40, patience=300)
    result = asyncio.run(_until_signalled(run(folder, seed, length, is_calm=asked.calm)))
    for line in lines(result):
        _say(line)
    if asked.json:
        asked.json.write_text(as_json(result))
    if result.violations:
        return BROKEN
    shutil.rmtree(folder)
    return 0


async def _until_signalled(running: Coroutine[Any, Any, Result]) -> Result:
    """The result; broken off, with all that was started, by SIGTERM as by Ctrl-C."""
    task = asyncio.create_task(running)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    status = BROKEN
    try:
        status = main()
    except (KeyboardInterrupt, asyncio.CancelledError):
        status = INTERRUPTED
    except Exception:  # noqa: BLE001 whatever it is, it is told here, since nothing is raised past `exit_now`
        traceback.print_exc()
    finally:
        exit_now(status)
