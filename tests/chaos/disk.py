"""A small disk that can be full: a file system in memory, where this process may mount one."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# A cluster of PostgreSQL with its log takes 60 MB.
SIZE = "192m"
CHUNK = bytes(1 << 20)


class Disk:
    """`folder` lies on it. `is_small` says whether it could be mounted: only then can it be full."""

    def __init__(self, folder: Path, *, is_small: bool) -> None:
        self.folder = folder
        self.is_small = is_small
        self._filler = folder / "filler"

    def fill(self) -> None:
        """To the last byte."""
        if not self.is_small:
            raise ValueError("only a disk of its own can be filled")
        with suppress(OSError), self._filler.open("wb", buffering=0) as file:
            while True:
                file.write(CHUNK)

    def free(self) -> None:
        self._filler.unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """A small disk at this folder, or the folder as it is."""
    folder.mkdir(mode=0o755)
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=755", "tmpfs", folder], capture_output=True, check=False
    )
    try:
        yield Disk(folder, is_small=mounting.returncode == 0)
    finally:
        if mounting.returncode == 0:
            subprocess.run(["umount", "--lazy", folder], check=True)
