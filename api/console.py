"""The page of the web console and its assets, from console/dist.

The page is the same at each address below /console: its script shows what the address names. It calls the API as any
client does, so that no route exists for the console alone.
"""

import gzip
import mimetypes
from functools import cached_property
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request, Response
from msgspec import Struct

from api.problems import answer
from domain.errors import NoSuchPathError

# In the wheel it is a package without modules.
FOLDER: Final = Path(__file__).parents[1] / "console" / "dist"
PATH: Final = "/console"
_PAGE: Final = "index.html"
# Nothing is loaded from elsewhere, and no script or style stands in the page.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Vary": "Accept-Encoding",
}
_PAGE_HEADERS: Final = _HEADERS | {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}
# Their names have the hash of their content.
_ASSET_HEADERS: Final = _HEADERS | {"Cache-Control": "public, max-age=31536000, immutable"}

router = APIRouter(include_in_schema=False)


class ConsoleFile(Struct, frozen=True):
    """One file of the console, plain and compressed."""

    media_type: str
    body: bytes
    compressed: bytes


class ConsoleFiles:
    """The files of the console by their paths, read when they are first asked for."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder

    @cached_property
    def by_path(self) -> dict[str, ConsoleFile]:
        """Return the page and its assets."""
        files = (path for path in sorted(self._folder.rglob("*")) if path.is_file())
        return {path.relative_to(self._folder).as_posix(): _read(path) for path in files}


def _read(path: Path) -> ConsoleFile:
    body = path.read_bytes()
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return ConsoleFile(media_type, body, gzip.compress(body, mtime=0))


@router.get(PATH)
@router.get(PATH + "/{path:path}")
async def get_console(request: Request, path: str = "") -> Response:
    """Return an asset, or the page for all other paths."""
    files: ConsoleFiles = request.app.state.console_files
    if (asset := files.by_path.get(path)) is not None and path != _PAGE:
        return _send(asset, request, _ASSET_HEADERS)
    if path.startswith("assets/"):
        # An asset of another release: an address with a hash never answers with another content.
        refusal = answer(NoSuchPathError(f"the console of this release has no file '{path[:100]}'; load it again"))
        refusal.headers["Cache-Control"] = "no-store"
        return refusal
    return _send(files.by_path[_PAGE], request, _PAGE_HEADERS)


def _send(file: ConsoleFile, request: Request, headers: dict[str, str]) -> Response:
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(file.body, media_type=file.media_type, headers=headers)
    return Response(file.compressed, media_type=file.media_type, headers={**headers, "Content-Encoding": "gzip"})
