"""sojourn reconcile: find and repair differences of PostgreSQL and Temporal."""

from typing import Annotated, Any
from uuid import UUID

import typer

from cli.client import connect
from cli.operation_progress import watch as watched
from cli.options import AfterOption, AsJson, LimitOption, WatchOption
from cli.output import counts_text, local_minute, number_of, print_json, print_next, print_table, printable

NOTHING = "no differences"


def reconcile(
    context: typer.Context,
    id: Annotated[UUID | None, typer.Argument(metavar="ID", help="Show an earlier one.", show_default=False)] = None,
    watch: WatchOption = False,
    earlier: Annotated[bool, typer.Option("--list", help="Show the earlier ones.")] = False,
    limit: LimitOption = 20,
    after: AfterOption = None,
    as_json: AsJson = False,
) -> None:
    """Compare journeys with their workflows, repair and report; also done each hour."""
    with connect(context) as api:
        if earlier:
            page = api.get("reconciliations", limit=limit, after=after)
        else:
            found = api.post("reconciliations") if id is None else api.get("reconciliations", str(id))
            if watch:
                again = f"sojourn reconcile {found['id']} --watch"
                path = ("reconciliations", found["id"])
                found = watched(lambda: api.get(*path), "reconcile", _progress, again, quiet=as_json)
    if as_json:
        print_json(page if earlier else found)
    elif earlier:
        _list(page)
    else:
        _show(found)


def _list(page: dict[str, Any]) -> None:
    rows = [
        [each["id"], each["state"], _outcome(each["report"]), each["requested_by"], local_minute(each["created_at"])]
        for each in page["reconciliations"]
    ]
    print_table(["RECONCILIATION", "STATE", "FOUND", "BY", "ASKED"], rows, folded={"FOUND"})
    print_next(page)


def _show(reconciliation: dict[str, Any]) -> None:
    report = reconciliation["report"]
    if report is None:
        again = f"sojourn reconcile {reconciliation['id']} --watch"
        typer.echo(printable(f"reconcile: {reconciliation['state']}. Watch it: {again}"))
        return
    compared = f"{number_of(report['rows'], 'journey')} with {number_of(report['workflows'], 'workflow')}"
    typer.echo(f"Compared {compared}: {_outcome(report)}")
    rows = [
        [_describe_findings(what), str(found["found"]), str(found["repaired"]), ", ".join(found["examples"])]
        for what, found in report["findings"].items()
    ]
    if rows:
        typer.echo()
        print_table(["WHAT", "FOUND", "REPAIRED", "WHERE"], rows, folded={"WHERE"})
    for where, why in report["for_people"].items():
        typer.echo(printable(f"Look at {where}: {why}"))


def _progress(reconciliation: dict[str, Any]) -> str:
    state = str(reconciliation["state"])
    return state if reconciliation["report"] is None else f"{state}, {_outcome(reconciliation['report'])}"


def _outcome(report: dict[str, Any] | None) -> str:
    if report is None:
        return ""
    return counts_text({what: found["found"] for what, found in report["findings"].items()}) or NOTHING


def _describe_findings(what: str) -> str:
    return what.replace("_", " ")
