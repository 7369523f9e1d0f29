"""The scripts that Sojourn offers to web pages."""

from functools import cache
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Response

router = APIRouter(tags=["Browsers"])

SERVICE_WORKER: Final = Path(__file__).with_name("scripts") / "sojourn-sw.js"
# Browsers look for a new service worker each time, whatever its headers say; pages that import it wait an hour.
_HEADERS: Final = {"Cache-Control": "public, max-age=3600", "X-Content-Type-Options": "nosniff"}


@router.get(
    "/sojourn-sw.js",
    response_class=Response,
    responses={200: {"content": {"text/javascript": {"schema": {"type": "string"}, "example": '"use strict";'}}}},
)
async def get_service_worker() -> Response:
    """Return the service worker of web push, for `importScripts` of one's own."""
    return Response(_read(), media_type="text/javascript", headers=_HEADERS)


@cache
def _read() -> bytes:
    return SERVICE_WORKER.read_bytes()
