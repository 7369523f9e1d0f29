"""sojourn approvals, approve and reject: changes that wait for another person."""

from typing import Annotated, Any
from uuid import UUID

import typer

from cli.client import connect
from cli.options import AfterOption, AsJson, CampaignOption, LimitOption
from cli.output import local_minute, print_json, print_next, print_table, printable

ApprovalArgument = Annotated[UUID, typer.Argument(metavar="ID", show_default=False)]


def approvals(
    context: typer.Context,
    campaign: CampaignOption = None,
    all_states: Annotated[bool, typer.Option("--all", help="Also those that were decided, or never will be.")] = False,
    limit: LimitOption = 50,
    after: AfterOption = None,
    as_json: AsJson = False,
) -> None:
    """Show what waits for the approval of another person, the latest first."""
    state = None if all_states else "waiting"
    with connect(context) as api:
        page = api.get("approvals", campaign=campaign, state=state, limit=limit, after=after)
    if as_json:
        print_json(page)
        return
    rows = [
        [
            each["id"],
            each["campaign"],
            str(each["version"]),
            each["action"],
            f"{each['people']:,}",
            each["state"],
            f"{each['requested_by']}, {local_minute(each['at'])}",
        ]
        for each in page["approvals"]
    ]
    print_table(["APPROVAL", "CAMPAIGN", "VERSION", "ACTION", "PEOPLE", "STATE", "ASKED"], rows, folded={"ASKED"})
    print_next(page)


def approve(context: typer.Context, id: ApprovalArgument, as_json: AsJson = False) -> None:
    """Approve a change that another person has requested; it is made at once."""
    _decide(context, id, "approve", as_json=as_json)


def reject(context: typer.Context, id: ApprovalArgument, as_json: AsJson = False) -> None:
    """Reject a change, or take back your own request."""
    _decide(context, id, "reject", as_json=as_json)


def describe_approval(approval: dict[str, Any]) -> str:
    """Describe what waits for another person, and how it goes on."""
    return (
        f"{approval['campaign']}: to {approval['action']} version {approval['version']} waits for another person than "
        f"{approval['requested_by']}: it may reach {approval['people']:,} people. They approve it until "
        f"{local_minute(approval['expires_at'])} by `sojourn approve {approval['id']}`"
    )


def _decide(context: typer.Context, id: UUID, verb: str, *, as_json: bool) -> None:
    with connect(context) as api:
        decided = api.post("approvals", str(id), verb)
    if as_json:
        print_json(decided)
        return
    typer.echo(
        printable(
            f"{decided['campaign']}: {decided['state']} to {decided['action']} version {decided['version']}, "
            f"requested by {decided['requested_by']}"
        )
    )
