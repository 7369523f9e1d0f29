"""The builds of the scripts for web pages, also those of former releases.

A page that has the hash of a build in its tag goes on with this build, whatever release the API has. So each build has
an address with its hash, which never changes, and those of former releases are kept (docs/browser.md).
"""

import gzip
from base64 import b64encode
from collections.abc import Iterator
from functools import cached_property
from hashlib import sha384
from pathlib import Path
from typing import Final

from msgspec import Struct

# The first is for pages, and loads the second once there is a message to show.
NAMES: Final = ("sojourn", "sojourn-views")
SERVICE_WORKER: Final = "sojourn-sw"
# One folder a release that is kept.
KEPT: Final = "kept"
# As browser/build.mjs counts.
HASH_DIGITS: Final = 12


class ScriptBuild(Struct, frozen=True):
    """One script. `address` has the hash of its content."""

    address: str
    body: bytes
    compressed: bytes
    integrity: str


class ScriptBuilds:
    """The builds in a folder, read when they are first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def current(self) -> tuple[ScriptBuild, ...]:
        """The scripts of this release, in the order of NAMES."""
        return tuple(_read(self._folder / f"{name}.js") for name in NAMES)

    @cached_property
    def service_worker(self) -> ScriptBuild:
        """The service worker of web push."""
        return _read(self._folder / f"{SERVICE_WORKER}.js")

    def find(self, address: str) -> ScriptBuild | None:
        """Return the build of this address, `sojourn-HASH.js`."""
        return self._by_address.get(address)

    @cached_property
    def _by_address(self) -> dict[str, ScriptBuild]:
        return {build.address: build for build in (*self._read_kept(), *self.current)}

    def _read_kept(self) -> Iterator[ScriptBuild]:
        for name in NAMES:
            yield from map(_read, sorted((self._folder / KEPT).glob(f"*/{name}.js")))


def _read(file: Path) -> ScriptBuild:
    body = file.read_bytes()
    digest = sha384(body)
    return ScriptBuild(
        f"{file.stem}-{digest.hexdigest()[:HASH_DIGITS]}.js",
        body,
        gzip.compress(body, mtime=0),
        f"sha384-{b64encode(digest.digest()).decode()}",
    )
