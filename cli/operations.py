"""sojourn operations: operations of campaigns and of the deployment."""

from typing import Annotated, Any
from uuid import UUID

import typer

from cli.client import connect
from cli.exit_codes import REFUSED, WAITING
from cli.operation_progress import progress, watch_operations
from cli.options import AfterOption, AsJson, CampaignOption, LimitOption, WatchOption
from cli.output import (
    as_text,
    counts_text,
    list_text,
    local,
    local_minute,
    print_facts,
    print_json,
    print_next,
    print_table,
    printable,
)

CANCELLED = 1


def operations(
    context: typer.Context,
    id: Annotated[UUID | None, typer.Argument(metavar="ID", help="One of them.", show_default=False)] = None,
    campaign: CampaignOption = None,
    watch: WatchOption = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="End it where it is: what is done stays done.")] = False,
    limit: LimitOption = 20,
    after: AfterOption = None,
    as_json: AsJson = False,
) -> None:
    """Show all operations or those of a campaign; watch or cancel one."""
    if id is not None and campaign is not None:
        raise typer.BadParameter("name an operation by its id, or a campaign with --campaign")
    if id is None and (watch or cancel):
        raise typer.BadParameter("--watch and --cancel are for one operation: name it by its id")
    with connect(context) as api:
        if id is None:
            path = ["operations"] if campaign is None else ["campaigns", campaign, "operations"]
            _list(api.get(*path, limit=limit, after=after), as_json=as_json)
            return
        found = api.post("operations", str(id), "cancel") if cancel else api.get("operations", str(id))
        if watch:
            [found] = watch_operations(api, [found], quiet=as_json)
    if as_json:
        print_json(found)
    elif not watch:
        _show(found)
    if watch:
        check_done([found])


def check_done(ended: list[dict[str, Any]]) -> None:
    """Raise typer.Exit if an operation was cancelled or failed, or waits for a person."""
    states = {each["state"] for each in ended}
    if states & {"cancelled", "failed"}:
        raise typer.Exit(REFUSED)
    if "held" in states:
        typer.echo("It waits for another person: sojourn approvals", err=True)
        raise typer.Exit(WAITING)


def tell_operation(operation: dict[str, Any]) -> None:
    """Print how to follow an operation."""
    again = f"sojourn operations {operation['id']} --watch"
    of = operation["campaign"] or "deployment"
    typer.echo(printable(f"{of}: {operation['kind']} {progress(operation)}. Watch it: {again}"))


def _list(page: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(page)
        return
    rows = [
        [
            each["id"],
            each["kind"],
            each["campaign"] or "",
            each["state"],
            str(each["done"]) if each["total"] is None else f"{each['done']} of {each['total']}",
            counts_text(each["counts"]),
            local_minute(each["created_at"]),
        ]
        for each in page["operations"]
    ]
    print_table(["OPERATION", "KIND", "CAMPAIGN", "STATE", "DONE", "COUNTS", "ASKED"], rows, folded={"COUNTS"})
    print_next(page)


def _show(operation: dict[str, Any]) -> None:
    print_facts(
        {
            "Operation": operation["id"],
            "Campaign": operation["campaign"] or "",
            "Kind": operation["kind"],
            "Progress": progress(operation),
            "Parameters": list_text(operation["parameters"]),
            "Asked": f"{local(operation['created_at'])} by {as_text(operation['requested_by'])}",
            "Began": local(operation["started_at"]),
            "Finished": local(operation["finished_at"]),
        }
    )
