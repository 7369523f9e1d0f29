"""Calls of the API by the tools of the MCP server, with the key of the caller.

A tool has no rights of its own: scopes, masks, limits and the audit log are those of the routes that it calls.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import httpx
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from starlette.requests import Request

# Some 25,000 tokens: a longer answer would fill the context of a model.
MAX_ANSWER_CHARACTERS: Final = 100_000
# It names no host, since the call never leaves the process.
_BASE_URL: Final = "http://sojourn.invalid"

McpContext = Context[Any, Request]


async def get(context: McpContext, *path: str, **params: Any) -> str:
    """Read a resource of the API as JSON. Parameters that are None are left out.

    Raises ToolError with the API's problem, or for an answer that is too long.
    """
    given = {name.rstrip("_"): value for name, value in params.items() if value is not None}
    return _check_length(await _call(context, "GET", path, params=given))


async def post(context: McpContext, *path: str, body: Mapping[str, Any]) -> str:
    """Post a body, and return the answer as JSON. Raises as `get` does."""
    return _check_length(await _call(context, "POST", path, json=body))


async def put(context: McpContext, *path: str, body: Mapping[str, Any], version: int) -> str:
    """Replace a document of this version. Raises as `get` does."""
    return _check_length(await _call(context, "PUT", path, json=body, headers={"If-Match": f'"{version}"'}))


async def _call(context: McpContext, method: str, path: tuple[str, ...], **request: Any) -> str:
    """Call the API in this process, as the client of the request."""
    if not path or any(part in ("", ".", "..") for part in path):
        raise ToolError("a key or an id is empty, `.` or `..`: pass one that a list has shown")
    outer = context.request_context.request
    if outer is None:
        raise ToolError("this server answers over HTTP alone")
    headers = {"Authorization": outer.headers["authorization"], **request.pop("headers", {})}
    transport = httpx.ASGITransport(outer.app, client=(outer.state.visit.client, 0))
    async with httpx.AsyncClient(transport=transport, base_url=_BASE_URL, headers=headers) as client:
        address = "/".join(("/v1", *(quote(part, safe="") for part in path)))
        answer = await client.request(method, address, **request)
    if answer.is_error:
        raise ToolError(answer.text)
    return answer.text


def _check_length(text: str) -> str:
    if len(text) > MAX_ANSWER_CHARACTERS:
        raise ToolError(
            f"the answer has {len(text):,} characters, and a tool answers with at most {MAX_ANSWER_CHARACTERS:,}: "
            "lower `limit`, or narrow the question by its other arguments"
        )
    return text
