"""Root develops in containers, everybody else as themselves: the embedded servers run as both."""

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.embedded.postgres_home import ServerUser
from tests.runtime.conftest import ROOT

RUN_ALL = """
import asyncio, concurrent.futures.thread, os, sys
from pathlib import Path
from runtime.embedded.postgres import EmbeddedPostgres
from runtime.embedded.temporal import EmbeddedTemporal

async def main():
    data = Path(sys.argv[1])
    postgres = await EmbeddedPostgres.start(data / "postgres", durable=False)
    temporal = await EmbeddedTemporal.start(data / "temporal", ui=False, search_attributes={})
    await temporal.stop()
    await postgres.stop()

# Dropped only now, because the user may not reach the interpreter's own modules; the servers' programs it must reach.
os.setgroups([])
os.setgid(int(sys.argv[3]))
os.setuid(int(sys.argv[2]))
asyncio.run(main())
sys.stdout.write("all ran")
sys.stdout.flush()
os._exit(0)  # a process that had a Temporal client may abort at exit
"""


@pytest.mark.skipif(os.getuid() != 0, reason="an ordinary user runs all the other tests")
def test_the_servers_run_as_an_ordinary_user(folder: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    user = ServerUser(nobody.pw_uid, nobody.pw_gid)
    if not user.reaches(Path(sys.prefix, "bin")):
        pytest.skip(f"nobody but root reaches the programs under {sys.prefix}")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL, str(folder), str(nobody.pw_uid), str(nobody.pw_gid)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("all ran", 0), done.stderr
    assert (folder / "postgres" / "cluster").stat().st_uid == nobody.pw_uid
