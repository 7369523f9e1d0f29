"""Tools of the MCP server that plan, apply a plan, and request a start.

A plan is bound by its hash to the text and to what is in force. A start by a tool always waits for another person.
"""

import hashlib
import json
from typing import Annotated, Any, Final, Literal

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import Field

from api.mcp_calls import McpContext, get, post, put
from api.mcp_reads import READ_ONLY
from domain.access import McpEdit
from domain.deployment_documents import DEPLOYMENT_DOCUMENTS

CHANGES: Final = ToolAnnotations(read_only_hint=False, destructive_hint=True, open_world_hint=False)

_Campaign = Annotated[str, Field(description="the key of the campaign, as in the document", max_length=255)]
_Source = Annotated[str, Field(description="the document, YAML", max_length=1_000_000)]
_Templates = Annotated[
    dict[str, str], Field(description="file name, such as `cart-nudge.liquid`, to text of the templates it names")
]
_InFlight = Annotated[
    Literal["keep", "migrate", "exit"], Field(description="what becomes of journeys on other versions")
]
_Kind = Annotated[str, Field(description=" or ".join(DEPLOYMENT_DOCUMENTS))]
_Segments = Annotated[list[_Source], Field(max_length=100, description="documents of segments, YAML")]
_PlanHash = Annotated[str, Field(description="`hash` of the plan of exactly this text", max_length=200)]


async def plan_campaign(
    context: McpContext, campaign: _Campaign, source: _Source, templates: _Templates, in_flight: _InFlight = "keep"
) -> str:
    """Check a campaign document, and plan its effects.

    The answer has all problems with line and remedy, or the plan with its `hash`.
    """
    return await post(context, "campaigns", campaign, "plan", body=_document(campaign, source, templates, in_flight))


async def apply_campaign(
    context: McpContext,
    campaign: _Campaign,
    source: _Source,
    templates: _Templates,
    plan: _PlanHash,
    in_flight: _InFlight = "keep",
) -> str:
    """Publish a planned campaign document as a version, which starts nothing.

    If the campaign runs, users enter by the version once another person has approved it.
    """
    _require_apply(context)
    body = _document(campaign, source, templates, in_flight)
    return await post(context, "campaigns", campaign, "apply", body={**body, "plan": plan, "wait_for_approval": True})


async def plan_document(context: McpContext, kind: _Kind, source: _Source) -> str:
    """Check a document of the deployment, and plan its changes.

    The answer has all problems with line and remedy, or the changes with their `hash`.
    """
    _require_kind(kind)
    planned = json.loads(await post(context, kind, "plan", body=_body(kind, source)))
    return json.dumps({**planned, "hash": _hash(kind, source, planned["version"])})


async def apply_document(context: McpContext, kind: _Kind, source: _Source, plan: _PlanHash) -> str:
    """Put a planned document of the deployment in force."""
    _require_apply(context)
    _require_kind(kind)
    version = json.loads(await get(context, kind))["version"]
    if plan != _hash(kind, source, version):
        raise ToolError(
            f"`{plan}` is not the hash of this text over version {version} of {kind}, which is in force: "
            "plan it again, and look at the changes"
        )
    return await put(context, kind, body=_body(kind, source), version=version)


async def plan_segments(
    context: McpContext,
    sources: _Segments,
    removed: Annotated[list[str], Field(max_length=100, description="keys of segments to delete")],
) -> str:
    """Check documents of segments, and count the people who would move.

    The answer has all problems with line and remedy, or the changes with their `hash`.
    """
    return await post(context, "segments", "plan", body={"segments": _segments(sources), "removed": removed})


async def apply_segments(context: McpContext, sources: _Segments, plan: _PlanHash) -> str:
    """Put planned documents of segments in force together, or none."""
    _require_apply(context)
    return await post(context, "segments", "apply", body={"segments": _segments(sources), "plan": plan})


async def request_start(
    context: McpContext,
    campaign: _Campaign,
    version: Annotated[int | None, Field(ge=1, description="the latest one, if left out")] = None,
    in_flight: _InFlight = "keep",
) -> str:
    """Request the start of a campaign, which another person has to approve."""
    body = {"version": version, "in_flight": in_flight}
    return await post(context, "campaigns", campaign, "request-start", body=body)


def add_tools(server: MCPServer) -> None:
    """Add the tools that plan and that change."""
    for tool in (plan_campaign, plan_document, plan_segments):
        server.tool(annotations=READ_ONLY, structured_output=False)(tool)
    for change in (apply_campaign, apply_document, apply_segments, request_start):
        server.tool(annotations=CHANGES, structured_output=False)(change)


def _document(campaign: str, source: str, templates: dict[str, str], in_flight: str) -> dict[str, Any]:
    return {"file": f"{campaign}.yaml", "source": source, "templates": templates, "in_flight": in_flight}


def _body(kind: str, source: str) -> dict[str, str]:
    return {"file": f"{kind}.yaml", "source": source}


def _segments(sources: list[str]) -> list[dict[str, str]]:
    return [_body(f"segment-{number}", each) for number, each in enumerate(sources, 1)]


def _hash(kind: str, source: str, version: int) -> str:
    """Return the hash of a plan: of its text, over the version that it replaces."""
    return f"{kind}-{version}-{hashlib.sha256(source.encode()).hexdigest()[:32]}"


def _require_kind(kind: str) -> None:
    if kind not in DEPLOYMENT_DOCUMENTS:
        raise ToolError(f"there is no document `{kind[:100]}`; there are {', '.join(DEPLOYMENT_DOCUMENTS)}")


def _require_apply(context: McpContext) -> None:
    """Raise ToolError where the deployment lets MCP clients plan alone."""
    request = context.request_context.request
    if request is None or request.app.state.mcp_edit is not McpEdit.APPLY:
        raise ToolError(
            "this deployment lets MCP clients plan, and apply nothing: set SOJOURN_MCP_EDIT to apply, or let a person "
            "apply the plan with `sojourn apply`"
        )
