"""Resources of the MCP server: documents, JSON Schemas and pages."""

import json
from functools import partial
from pathlib import Path
from typing import Final

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError
from mcp.server.mcpserver.resources import FileResource, FunctionResource

from api.mcp_calls import McpContext, get
from domain.deployment_documents import DEPLOYMENT_DOCUMENTS
from domain.document_schemas import NAMES, document_schema

# A link to the folder in a clone; in the wheel its files.
DOCS: Final = Path(__file__).parent / "docs"
YAML: Final = "application/yaml"


def add_resources(server: MCPServer) -> None:
    """Add what each address may name. Pages and schemas are a closed list."""
    for page in sorted(DOCS.glob("*.md")):
        uri = f"sojourn://docs/{page.stem}"
        server.add_resource(
            FileResource(uri=uri, name=f"docs/{page.name}", path=page.absolute(), mime_type="text/markdown")
        )
    for name in NAMES:
        schema = FunctionResource.from_function(
            partial(_schema, name),
            uri=f"sojourn://schemas/{name}",
            name=f"schemas/{name}",
            description=f"The JSON Schema of the document `{name}`",
            mime_type="application/schema+json",
        )
        server.add_resource(schema)
    server.resource("sojourn://campaigns/{key}", mime_type=YAML)(read_campaign)
    server.resource("sojourn://segments/{key}", mime_type=YAML)(read_segment)
    server.resource("sojourn://documents/{kind}", mime_type=YAML)(read_document)


async def read_campaign(key: str, context: McpContext) -> str:
    """The document of a campaign's latest version."""
    latest = json.loads(await get(context, "campaigns", key))["latest_version"]
    return str(json.loads(await get(context, "campaigns", key, "versions", str(latest)))["source"])


async def read_segment(key: str, context: McpContext) -> str:
    """The document of a segment."""
    return str(json.loads(await get(context, "segments", key))["source"])


async def read_document(kind: str, context: McpContext) -> str:
    """A document of the deployment, such as `frequency-caps`."""
    if kind not in DEPLOYMENT_DOCUMENTS:
        raise ResourceNotFoundError(f"there is no document {kind[:100]}; there are {', '.join(DEPLOYMENT_DOCUMENTS)}")
    return str(json.loads(await get(context, kind))["source"])


def _schema(name: str) -> str:
    return json.dumps(document_schema(name))
