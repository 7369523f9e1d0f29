"""sojourn mcp: the MCP server of the deployment, for clients that speak stdio."""

import asyncio
from typing import Any, Final

import typer

from cli.client import connect
from cli.output import printable
from cli.target import Target, find_target

# Lines of the server's instructions that concern who runs the assistant as well.
_WARNING: Final = "Warning: "


def mcp(context: typer.Context) -> None:
    """Serve the deployment's MCP server over stdin and stdout, for assistants.

    It forwards to `/mcp` of the API with the key of the deployment, and holds nothing itself.
    """
    # The library would end by a traceback: of a key that the API refuses, or an API that does not answer.
    with connect(context) as api:
        api.get("campaigns", limit=1)
    given = context.find_root().params
    asyncio.run(_forward(find_target(context=given.get("context"), url=given.get("url"))))


async def _forward(target: Target) -> None:
    # The library takes a second to load, which no other command waits for.
    import httpx2
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client
    from mcp.server.lowlevel import Server
    from mcp.server.stdio import stdio_server

    headers = {"Authorization": f"Bearer {target.key}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(f"{target.api_url.rstrip('/')}/mcp", http_client=http)) as api,
    ):

        async def list_tools(_context: Any, params: Any) -> Any:
            return await api.list_tools(cursor=params.cursor if params else None)

        async def call_tool(_context: Any, params: Any) -> Any:
            return await api.call_tool(params.name, params.arguments or {})

        async def list_resources(_context: Any, params: Any) -> Any:
            return await api.list_resources(cursor=params.cursor if params else None)

        async def list_templates(_context: Any, params: Any) -> Any:
            return await api.list_resource_templates(cursor=params.cursor if params else None)

        async def read_resource(_context: Any, params: Any) -> Any:
            return await api.read_resource(params.uri)

        for line in (api.instructions or "").splitlines():
            if line.startswith(_WARNING):
                typer.echo(printable(line), err=True)
        server = Server(
            "sojourn",
            instructions=api.instructions,
            on_list_tools=list_tools,
            on_call_tool=call_tool,
            on_list_resources=list_resources,
            on_list_resource_templates=list_templates,
            on_read_resource=read_resource,
        )
        async with stdio_server() as (received, sent):
            await server.run(received, sent, server.create_initialization_options())
