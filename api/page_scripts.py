"""The scripts that Sojourn offers to web pages, and their hashes.

`sojourn.js` and `sojourn-views.js` are built from browser/ by `make browser`.
"""

from pathlib import Path as FilePath
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response
from pydantic import Field

from api.dependencies import ResponseModel, example
from api.problems import answer, refusals
from api.script_builds import ScriptBuild, ScriptBuilds
from domain.errors import NoSuchPathError, SojournError

router = APIRouter(tags=["Browsers"])

FOLDER: Final = FilePath(__file__).with_name("scripts")
# Browsers look for a new service worker each time, whatever its headers say; the script of the release is good for an
# hour.
_HEADERS: Final = {
    "Cache-Control": "public, max-age=3600",
    "X-Content-Type-Options": "nosniff",
    "Vary": "Accept-Encoding",
    # Pages of any origin compare its hash.
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
_IMMUTABLE: Final = _HEADERS | {"Cache-Control": "public, max-age=31536000, immutable"}
_ANSWER: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/javascript": {"schema": {"type": "string"}, "example": '"use strict";'}}}
}
_INTEGRITY = "sha384-" + "A" * 64
_Build = Annotated[str, Path(description="its hash, after the name of another script", examples=["0f1e2d3c4b5a"])]
_URL = "https://journeys.example"
_ADDRESS = f"{_URL}/sojourn-0f1e2d3c4b5a.js"


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
                    "url": _ADDRESS,
                    "integrity": _INTEGRITY,
                    "bytes": 19_000,
                    "compressed_bytes": 8_500,
                }
            ],
            "tag": f'<script src="{_ADDRESS}" integrity="{_INTEGRITY}" crossorigin="anonymous" defer '
            'data-key="WRITE_KEY"></script>',
            "policy": f"script-src '{_INTEGRITY}'; connect-src {_URL}; img-src https:",
        }
    )

    scripts: list[PageScript] = Field(description="the first is for pages, and loads the second if there is a message")
    tag: str = Field(description="for a page; WRITE_KEY stands for a browser key")
    policy: str = Field(description="what a Content-Security-Policy has to allow, at least")


@router.get("/sojourn-sw.js", response_class=Response, responses=_ANSWER)
async def get_service_worker(request: Request) -> Response:
    """Return the service worker of web push, for `importScripts` of one's own."""
    return _send(_builds_of(request).service_worker, request, _HEADERS)


@router.get("/sojourn.js", response_class=Response, responses=_ANSWER)
async def get_script(request: Request) -> Response:
    """Return the script of this release, which tracks and shows messages."""
    return _send(_builds_of(request).current[0], request, _HEADERS)


@router.get("/sojourn-{build}.js", response_class=Response, responses={**_ANSWER, **refusals(NoSuchPathError)})
async def get_script_build(request: Request, build: _Build) -> Response:
    """Return the build of this hash, which never changes.

    It may be that of a former release."""
    found = _builds_of(request).find(f"sojourn-{build}.js")
    if found is None:
        # Another process may have it, while a release is deployed.
        refusal = answer(NoSuchPathError(f"no build of the script has the hash '{build[:60]}'"))
        refusal.headers["Cache-Control"] = "no-store"
        return refusal
    return _send(found, request, _IMMUTABLE)


@router.get("/v1/scripts", responses=refusals(SojournError))
async def list_scripts(request: Request) -> PageScripts:
    """Return the tag for web pages, and the hashes of its scripts.

    They change with each release. A tag with the hash of a former one goes on.
    """
    return describe_scripts(_builds_of(request), str(request.app.state.public_url))


def describe_scripts(builds: ScriptBuilds, url: str) -> PageScripts:
    """Return the scripts as a deployment at this address serves them."""
    url = url.rstrip("/")
    scripts = builds.current
    first = scripts[0]
    hashes = " ".join(f"'{one.integrity}'" for one in scripts)
    return PageScripts(
        scripts=[
            PageScript(
                url=f"{url}/{one.address}",
                integrity=one.integrity,
                bytes=len(one.body),
                compressed_bytes=len(one.compressed),
            )
            for one in scripts
        ],
        tag=f'<script src="{url}/{first.address}" integrity="{first.integrity}" crossorigin="anonymous" defer '
        'data-key="WRITE_KEY"></script>',
        policy=f"script-src {hashes}; connect-src {url}; img-src https:",
    )


def _builds_of(request: Request) -> ScriptBuilds:
    builds: ScriptBuilds = request.app.state.script_builds
    return builds


def _send(script: ScriptBuild, request: Request, headers: dict[str, str]) -> Response:
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(script.body, media_type="text/javascript", headers=headers)
    return Response(script.compressed, media_type="text/javascript", headers={**headers, "Content-Encoding": "gzip"})
