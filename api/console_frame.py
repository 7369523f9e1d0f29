"""The frame of a message in the console, with a policy of its own.

A message has styles of its own and images from elsewhere, which the console's policy refuses. The frame has an origin
of its own as well: it reads nothing of the console, and runs no script but the one that writes the message into it.
"""

import base64
import hashlib
from typing import Final

from fastapi import APIRouter, Response

PATH: Final = "/console/message"
# Its parent gives the text of the message.
_SCRIPT: Final = (
    'addEventListener("message", (event) => { if (event.source === parent) '
    "{ document.open(); document.write(event.data); document.close() } }, { once: true })"
)
_PAGE: Final = f'<!doctype html><html lang="en"><title>Message</title><script>{_SCRIPT}</script></html>'
_HASH: Final = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
POLICY: Final = (
    f"default-src 'none'; script-src 'sha256-{_HASH}'; style-src 'unsafe-inline'; img-src https: data:; "
    "font-src https: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-scripts"
)
_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}

router = APIRouter(include_in_schema=False)


@router.get(PATH)
async def get_frame() -> Response:
    """Return the empty frame of a message."""
    return Response(_PAGE, media_type="text/html", headers=_HEADERS)
