"""The scripts that Sojourn offers to web pages, and their hashes.

`sojourn.js` and `sojourn-views.js` are built from browser/ by `make browser`.
"""

import gzip
from base64 import b64encode
from functools import cache
from hashlib import sha384
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from msgspec import Struct
from pydantic import Field

from api.dependencies import ResponseModel, example
from api.problems import refusals
from domain.errors import SojournError

router = APIRouter(tags=["Browsers"])

FOLDER: Final = Path(__file__).with_name("scripts")
SERVICE_WORKER: Final = FOLDER / "sojourn-sw.js"
SCRIPTS: Final = (FOLDER / "sojourn.js", FOLDER / "sojourn-views.js")
# Browsers look for a new service worker each time, whatever its headers say; other scripts are good for an hour.
_HEADERS: Final = {
    "Cache-Control": "public, max-age=3600",
    "X-Content-Type-Options": "nosniff",
    "Vary": "Accept-Encoding",
    # Pages of any origin compare its hash.
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
_ANSWER: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/javascript": {"schema": {"type": "string"}, "example": '"use strict";'}}}
}
_INTEGRITY = "sha384-" + "A" * 64
_URL = "https://journeys.example"


class PageScript(ResponseModel):
    url: str
    integrity: str = Field(description="its hash, for the attribute `integrity` and for `script-src`")
    bytes: int
    compressed_bytes: int = Field(description="as it is sent with `Content-Encoding: gzip`")


class PageScripts(ResponseModel):
    model_config = example(
        {
            "scripts": [
                {
                    "url": f"{_URL}/sojourn.js",
                    "integrity": _INTEGRITY,
                    "bytes": 19_000,
                    "compressed_bytes": 8_500,
                }
            ],
            "tag": f'<script src="{_URL}/sojourn.js" integrity="{_INTEGRITY}" crossorigin="anonymous" defer '
            'data-key="WRITE_KEY"></script>',
            "policy": f"script-src '{_INTEGRITY}'; connect-src {_URL}; img-src https:",
        }
    )

    scripts: list[PageScript] = Field(description="the first is for pages, and loads the second if there is a message")
    tag: str = Field(description="for a page; WRITE_KEY stands for a browser key")
    policy: str = Field(description="what a Content-Security-Policy has to allow, at least")


class _Script(Struct, frozen=True):
    name: str
    body: bytes
    compressed: bytes
    integrity: str


@router.get("/sojourn-sw.js", response_class=Response, responses=_ANSWER)
async def get_service_worker(request: Request) -> Response:
    """Return the service worker of web push, for `importScripts` of one's own."""
    return _answer(SERVICE_WORKER, request)


@router.get("/sojourn.js", response_class=Response, responses=_ANSWER)
async def get_script(request: Request) -> Response:
    """Return the script for web pages, which tracks and shows messages."""
    return _answer(SCRIPTS[0], request)


@router.get("/sojourn-views.js", response_class=Response, responses=_ANSWER)
async def get_views(request: Request) -> Response:
    """Return the script that the first one loads once there is a message to show."""
    return _answer(SCRIPTS[1], request)


@router.get("/v1/scripts", responses=refusals(SojournError))
async def list_scripts(request: Request) -> PageScripts:
    """Return the tag for web pages, and the hashes of its scripts.

    They change with each release.
    """
    return list_scripts_of(str(request.app.state.public_url))


def list_scripts_of(url: str) -> PageScripts:
    """Return the scripts as a deployment at this address serves them."""
    url = url.rstrip("/")
    scripts = [_read(file) for file in SCRIPTS]
    hashes = " ".join(f"'{one.integrity}'" for one in scripts)
    return PageScripts(
        scripts=[
            PageScript(
                url=f"{url}/{one.name}",
                integrity=one.integrity,
                bytes=len(one.body),
                compressed_bytes=len(one.compressed),
            )
            for one in scripts
        ],
        tag=f'<script src="{url}/{scripts[0].name}" integrity="{scripts[0].integrity}" crossorigin="anonymous" defer '
        'data-key="WRITE_KEY"></script>',
        policy=f"script-src {hashes}; connect-src {url}; img-src https:",
    )


def _answer(file: Path, request: Request) -> Response:
    script = _read(file)
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(script.body, media_type="text/javascript", headers=_HEADERS)
    headers = {**_HEADERS, "Content-Encoding": "gzip"}
    return Response(script.compressed, media_type="text/javascript", headers=headers)


@cache
def _read(file: Path) -> _Script:
    body = file.read_bytes()
    integrity = f"sha384-{b64encode(sha384(body).digest()).decode()}"
    return _Script(file.name, body, gzip.compress(body, mtime=0), integrity)
