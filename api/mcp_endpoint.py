"""The route /mcp of assistants, over HTTP: who may call.

Each request stands for itself, so that any process behind a balancer answers it: no session, no stream, no cookie.
Source: the Model Context Protocol, "Transports" and "Security best practices".
"""

import asyncio
from importlib import import_module
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from api.auth import key_in_header, require, verify_write_key
from domain.access import Access, Scope, includes
from domain.errors import ForbiddenError

PATH: Final = "/mcp"


class McpEndpoint:
    """Answers one message: checks page and key, then hands it to the library."""

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        access = await _admit(request)
        # A tenth of what an API imports, which few deployments need. Other calls are answered meanwhile.
        server = await asyncio.to_thread(import_module, "api.mcp_server")
        await server.answer(scope, receive, send, may_start=includes(access.scopes, Scope.OPERATE))


async def _admit(request: Request) -> Access:
    """Return the rights of a server's key of scope `read`; refuse pages.

    Those of the deployment's own console are admitted. A name that an attacker points at this machine (DNS rebinding)
    is another origin. Raises UnauthorizedError, ForbiddenError and RateLimitedError.
    """
    origin = request.headers.get("origin")
    if origin is not None and origin not in request.app.state.console_origins:
        raise ForbiddenError(f"a page of {origin[:100]} may not call /mcp: call it from a program, without `Origin`")
    access = await verify_write_key(request, key_in_header(request))
    if access.browser is not None:
        raise ForbiddenError("this is the key of a page, which anyone can read: use the key of a server")
    require(access, Scope.READ)
    return access


router = APIRouter()
router.routes.append(Route(PATH, McpEndpoint(), methods=["POST"]))
