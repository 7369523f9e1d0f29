"""The data folder of `sojourn dev`: who runs in it, the keys it made, and where the others find what runs."""

import base64
import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

from domain.errors import ConflictError, InvalidRequestError

LOCK = "lock"
FORWARD_LOCK = "forward.lock"
KEYS = "keys.json"
RUN = "dev.json"  # read by the other commands, which find the API and its key here


class DevFolder:
    """A folder that one run at a time may use. Its files are readable only for their owner."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()

    @property
    def keys_file(self) -> Path:
        return self.path / KEYS

    @contextlib.contextmanager
    def claim(self) -> Iterator[None]:
        """Hold the folder, which is made where there is none, until the end of the block or of this process.

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
                    f"process {pid} already runs in {self.path}, {self._where_its_api_is(pid)}; "
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
        """Keep others from moving the time of what runs here. Raises ConflictError where another process does."""
        with (self.path / FORWARD_LOCK).open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConflictError(f"another process moves the time of {self.path}: wait until it has ended") from None
            yield

    def keys(self) -> Mapping[str, str]:
        """The keys of this folder by their setting's name, made by the first run that asks."""
        if not self.keys_file.exists():
            made = {name: secrets.token_urlsafe(24) for name in ("write_key", "admin_key", "link_secret")}
            made["webhook_signing_secret"] = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
            self._write(KEYS, made)
        found: dict[str, str] = json.loads(self.keys_file.read_text())
        return found

    def announce(self, about: Mapping[str, str]) -> None:
        """Let the other commands find this run."""
        self._write(RUN, {"pid": str(os.getpid()), **about})

    def _where_its_api_is(self, pid: str) -> str:
        try:
            found = json.loads((self.path / RUN).read_text())
        except (OSError, ValueError):
            found = {}
        # The file of a run that was killed stays behind until the next one has started.
        return f"its API at {found['api_url']}" if found.get("pid") == pid else "its API not up yet"

    def _write(self, name: str, content: Mapping[str, str]) -> None:
        unfinished = self.path / f"{name}.new"
        unfinished.unlink(missing_ok=True)
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(content, file, indent=2)
        unfinished.rename(self.path / name)
