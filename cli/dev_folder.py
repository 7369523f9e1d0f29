"""The data folder of `sojourn dev`: its lock, its keys, and its announcement."""

import base64
import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

from domain.errors import ConflictError, InvalidRequestError

DATA_FOLDER = ".sojourn"
LOCK = "lock"
FORWARD_LOCK = "forward.lock"
KEYS = "keys.json"
RUN = "dev.json"  # read by the other commands, which find the API and its key here


class DevFolder:
    """A folder for one run at a time, with files readable only for their owner."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()

    @property
    def keys_file(self) -> Path:
        return self.path / KEYS

    @contextlib.contextmanager
    def claim(self) -> Iterator[None]:
        """Hold the folder, created if absent, during the block or this process.

        Raises:
            ConflictError: another process holds it; names the process and its API.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            (self.path / ".gitignore").write_text("*\n")
        except OSError as error:
            raise InvalidRequestError(
                f"{self.path} cannot be the data folder: {error.strerror}; choose another with --data"
            ) from error
        with (self.path / LOCK).open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                pid = lock.read().strip()
                raise ConflictError(
                    f"process {pid} already runs in {self.path}, {self._describe_api(pid)}; "
                    "stop it, or choose another folder with --data",
                    pid=pid,
                ) from None
            lock.truncate(0)
            lock.write(f"{os.getpid()}\n")
            lock.flush()
            try:
                yield
            finally:
                (self.path / RUN).unlink(missing_ok=True)
                lock.truncate(0)

    @contextlib.contextmanager
    def moving_time(self) -> Iterator[None]:
        """Prevent others from moving the time of this run. Raises ConflictError."""
        with (self.path / FORWARD_LOCK).open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConflictError(f"another process moves the time of {self.path}: wait until it has ended") from None
            yield

    def keys(self) -> Mapping[str, str]:
        """Return the keys of this folder by setting's name, created once."""
        if not self.keys_file.exists():
            made = {name: secrets.token_urlsafe(24) for name in ("write_key", "admin_key", "link_secret")}
            made["webhook_signing_secret"] = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
            self._write(KEYS, made)
        found: dict[str, str] = json.loads(self.keys_file.read_text())
        return found

    def announce(self, about: Mapping[str, str]) -> None:
        """Announce this run to the other commands."""
        self._write(RUN, {"pid": str(os.getpid()), **about})

    def _describe_api(self, pid: str) -> str:
        try:
            found = json.loads((self.path / RUN).read_text())
        except (OSError, ValueError):
            found = {}
        # The file of a killed run stays until the next one has started.
        return f"its API at {found['api_url']}" if found.get("pid") == pid else "its API not up yet"

    def _write(self, name: str, content: Mapping[str, str]) -> None:
        unfinished = self.path / f"{name}.new"
        unfinished.unlink(missing_ok=True)
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(content, file, indent=2)
        unfinished.rename(self.path / name)
