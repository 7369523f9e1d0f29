"""Tools of the MCP server that read, each over a route of the API."""

from typing import Annotated, Any, Final, Literal

from mcp.server.mcpserver import MCPServer
from mcp_types import ToolAnnotations
from pydantic import Field

from api.mcp_calls import McpContext, get
from domain.sending.claim import MessageState

READ_ONLY: Final = ToolAnnotations(read_only_hint=True, open_world_hint=False)

_Campaign = Annotated[str, Field(description="the key of a campaign, such as `abandoned-cart`", max_length=255)]
_User = Annotated[str, Field(description="the id of a person", max_length=255)]
_Id = Annotated[str, Field(description="the id that a list has shown", max_length=64)]
_Key = Annotated[str, Field(max_length=255)]
_Limit = Annotated[int, Field(ge=1, le=100, description="how many at most")]
_After = Annotated[str | None, Field(description="`next` of the page before", max_length=1000)]
_Day = Annotated[str | None, Field(description="a day such as 2026-11-22 (UTC), or a week back", max_length=10)]
DEFAULT_LIMIT: Final = 20


async def list_campaigns(context: McpContext, limit: _Limit = DEFAULT_LIMIT, after: _After = None) -> str:
    """List campaigns by key, with state, versions and what waits for approval."""
    return await get(context, "campaigns", limit=limit, after=after)


async def get_campaign_graph(
    context: McpContext,
    campaign: _Campaign,
    version: Annotated[int | None, Field(ge=1, description="the running one, if left out")] = None,
) -> str:
    """Show the steps of a campaign with live counts, and why people got nothing."""
    return await get(context, "campaigns", campaign, "graph", version=version)


async def get_campaign_numbers(context: McpContext, days: Annotated[int, Field(ge=1, le=90)] = 14) -> str:
    """Show entries by day, messages, non-sends and goal rates of all campaigns."""
    return await get(context, "campaign-numbers", days=days)


async def get_campaign_document(context: McpContext, campaign: _Campaign, version: Annotated[int, Field(ge=1)]) -> str:
    """Read a published version: its YAML document and its templates."""
    return await get(context, "campaigns", campaign, "versions", str(version))


async def list_journeys(
    context: McpContext,
    campaign: Annotated[_Key | None, Field(description="of one campaign")] = None,
    user: Annotated[_Key | None, Field(description="of one person, by id")] = None,
    step: Annotated[_Key | None, Field(description="at this step, by its id")] = None,
    status: Annotated[Literal["waiting", "deferred", "held", "acting"] | None, Field()] = None,
    limit: _Limit = DEFAULT_LIMIT,
    after: _After = None,
) -> str:
    """List journeys of people through campaigns, the newest first."""
    return await get(
        context, "journeys", campaign=campaign, user=user, step=step, status=status, limit=limit, after=after
    )


async def get_journey(context: McpContext, journey: _Id) -> str:
    """Show one journey with its position, next timer and story."""
    return await get(context, "journeys", journey)


async def get_user(context: McpContext, user: _User) -> str:
    """Show a person, masked without the scope `people`."""
    return await get(context, "users", user)


async def get_timeline(
    context: McpContext,
    user: _User,
    limit: _Limit = DEFAULT_LIMIT,
    before: Annotated[str | None, Field(description="`next` of the page before", max_length=1000)] = None,
) -> str:
    """Show what happened to a person, and why something was sent or was not."""
    return await get(context, "users", user, "timeline", limit=limit, before=before)


async def list_segments(context: McpContext, limit: _Limit = DEFAULT_LIMIT, after: _After = None) -> str:
    """List segments by key, with their conditions and the numbers of their members."""
    return await get(context, "segments", limit=limit, after=after)


async def count_non_sends(
    context: McpContext,
    by: Literal["reason", "campaign", "step", "rule", "day"] = "reason",
    campaign: Annotated[_Key | None, Field()] = None,
    step: Annotated[_Key | None, Field()] = None,
    reason: Annotated[_Key | None, Field()] = None,
    rule: Annotated[_Key | None, Field()] = None,
    first_day: _Day = None,
    last_day: _Day = None,
) -> str:
    """Count the people who got nothing, by reason, campaign, step, rule or day."""
    return await get(
        context,
        "non-sends",
        by=by,
        campaign=campaign,
        step=step,
        reason=reason,
        rule=rule,
        from_=first_day,
        to=last_day,
    )


async def get_cap_pressure(context: McpContext, first_day: _Day = None, last_day: _Day = None) -> str:
    """Show which frequency caps deferred and refused how much, by day and by campaign."""
    return await get(context, "caps", "pressure", from_=first_day, to=last_day)


async def count_messages(
    context: McpContext,
    by: Literal["channel", "provider", "campaign", "step", "day"] = "channel",
    campaign: Annotated[_Key | None, Field()] = None,
    step: Annotated[_Key | None, Field()] = None,
    first_day: _Day = None,
    last_day: _Day = None,
) -> str:
    """Count messages by state, for each channel, provider, campaign, step or day."""
    return await get(context, "message-counts", by=by, campaign=campaign, step=step, from_=first_day, to=last_day)


async def list_messages(
    context: McpContext,
    campaign: Annotated[_Key | None, Field()] = None,
    step: Annotated[_Key | None, Field()] = None,
    state: Annotated[MessageState | None, Field()] = None,
    user: Annotated[_Key | None, Field(description="of one person")] = None,
    first_day: _Day = None,
    last_day: _Day = None,
    limit: _Limit = DEFAULT_LIMIT,
    after: _After = None,
) -> str:
    """List granted messages, the latest first, with their states and reports."""
    return await get(
        context,
        "messages",
        campaign=campaign,
        step=step,
        state=state,
        user=user,
        from_=first_day,
        to=last_day,
        limit=limit,
        after=after,
    )


async def list_rejects(
    context: McpContext,
    source: Annotated[_Key | None, Field(description="of one source")] = None,
    limit: _Limit = DEFAULT_LIMIT,
    after: _After = None,
) -> str:
    """List tracking calls that were refused or doubtful, and why."""
    return await get(context, "rejects", source=source, limit=limit, after=after)


async def get_data_plan(
    context: McpContext,
    source: Annotated[_Key | None, Field(description="of one source")] = None,
    name: Annotated[_Key | None, Field(description="one event, by name")] = None,
    limit: _Limit = DEFAULT_LIMIT,
    after: _After = None,
) -> str:
    """Show the events and traits that were seen, with the types of their properties."""
    return await get(context, "schema", source=source, name=name, limit=limit, after=after)


async def list_operations(context: McpContext, limit: _Limit = DEFAULT_LIMIT, after: _After = None) -> str:
    """List bulk operations with their progress, the newest first."""
    return await get(context, "operations", limit=limit, after=after)


async def list_approvals(
    context: McpContext,
    campaign: Annotated[_Key | None, Field()] = None,
    state: Annotated[Literal["waiting", "approved", "rejected", "expired", "outdated"] | None, Field()] = None,
    limit: _Limit = DEFAULT_LIMIT,
    after: _After = None,
) -> str:
    """List changes that wait for another person, or did."""
    return await get(context, "approvals", campaign=campaign, state=state, limit=limit, after=after)


TOOLS: Final[tuple[Any, ...]] = (
    list_campaigns,
    get_campaign_graph,
    get_campaign_numbers,
    get_campaign_document,
    list_journeys,
    get_journey,
    get_user,
    get_timeline,
    list_segments,
    count_non_sends,
    get_cap_pressure,
    count_messages,
    list_messages,
    list_rejects,
    get_data_plan,
    list_operations,
    list_approvals,
)


def add_tools(server: MCPServer) -> None:
    """Add the tools that change nothing."""
    for tool in TOOLS:
        server.tool(annotations=READ_ONLY, structured_output=False)(tool)
