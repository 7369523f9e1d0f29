"""sojourn plan and apply: what a document would change, and changing just that."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.campaigns import InFlight, InFlightOption
from cli.client import ApiClient, RefusedError, connect
from cli.documents import campaign_document
from cli.exits import CHANGES, DONE, status_of
from cli.operations import check_done, tell_operation
from cli.options import AsJson, Watch, Yes
from cli.printing import (
    confirm,
    counted,
    number_of,
    print_error,
    print_json,
    print_marked,
    print_table,
    print_warnings,
    printable,
    told,
)
from cli.watching import watch_operations
from domain.errors import InvalidDocumentError, InvalidRequestError

MARKS = {"added": ("+", "green"), "removed": ("-", "red"), "moved": (">", "cyan"), "changed": ("~", "yellow")}
STAYS = "stays"

Document = Annotated[Path, typer.Argument(exists=True, dir_okay=False, metavar="FILE", show_default=False)]
Documents = Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, metavar="FILE", show_default=False)]


def plan(
    context: typer.Context,
    file: Document,
    in_flight: InFlightOption = InFlight.KEEP,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="End with status 4 where something would change.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what applying a campaign file would change, also for the users in flight. Nothing is changed."""
    key, document = campaign_document(file)
    with connect(context) as api:
        found = _planned(api, key, document, in_flight)
    if as_json:
        print_json(found)
    else:
        _show(found)
        typer.echo(printable(f"Plan {found['hash']}"))
        print_warnings(found["warnings"])
    raise typer.Exit(CHANGES if exit_code and _changes_anything(found) else DONE)


def apply(
    context: typer.Context,
    files: Documents,
    in_flight: InFlightOption = InFlight.KEEP,
    planned: Annotated[
        str | None,
        typer.Option("--plan", metavar="HASH", help="Do what this plan said, or nothing.", show_default=False),
    ] = None,
    watch: Watch = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Publish campaign files, with the templates in the folder `templates` beside each.

    A campaign that lets users in does so by the new version from then on.
    """
    if planned and len(files) > 1:
        raise typer.BadParameter("a plan is of one file: apply the others by themselves")
    status = DONE
    results: list[dict[str, Any]] = []
    operations: list[dict[str, Any]] = []
    with connect(context) as api:
        for file in files:
            try:
                applied = _applied(api, file, in_flight, planned, is_quiet=as_json, is_confirmed=yes)
            except (InvalidDocumentError, InvalidRequestError, RefusedError) as error:
                print_error(error)
                status = status or status_of(error)
                continue
            results.append({"file": str(file), **applied})
            if applied["operation"]:
                operation = api.get("operations", applied["operation"])
                operations.append(operation)
                if not (watch or as_json):
                    tell_operation(operation)
        ended = watch_operations(api, operations, quiet=as_json) if watch else []
    if as_json:
        print_json({"applied": results, "operations": ended or operations})
    check_done(ended)
    raise typer.Exit(status)


def _planned(api: ApiClient, key: str, document: dict[str, Any], in_flight: InFlight) -> dict[str, Any]:
    return api.ask("campaigns", key, "plan", body={**document, "in_flight": in_flight})


def _applied(
    api: ApiClient, file: Path, in_flight: InFlight, planned: str | None, *, is_quiet: bool, is_confirmed: bool
) -> dict[str, Any]:
    """Do what the plan says: that which was given, or the one that is shown here, once it is confirmed."""
    key, document = campaign_document(file)
    if planned is None:
        found = _planned(api, key, document, in_flight)
        if not is_quiet and found["compared_with"] is not None and _changes_anything(found):
            _show(found)
        affected = _affected(found)
        if affected and not is_confirmed:
            confirm(f"Apply {key} on {api.url}, in flight: {counted(affected)}?")
        planned = found["hash"]
    applied = api.post("campaigns", key, "apply", body={**document, "in_flight": in_flight, "plan": planned})
    if not is_quiet:
        change = "published" if applied["created"] else "unchanged"
        typer.echo(printable(f"{key}: version {applied['version']} {change}, {applied['state']}"))
        print_warnings(applied["plan"]["warnings"])
    return applied


def _changes_anything(plan: dict[str, Any]) -> bool:
    is_another = plan["takes_effect"] and plan["next_version"] != plan["running_version"]
    return bool(plan["is_new"] or is_another or _affected(plan))


def _affected(plan: dict[str, Any]) -> dict[str, int]:
    """How many journeys do not just stay, by fate."""
    return {fate: number for fate, number in plan["totals"].items() if number and fate != STAYS}


def _show(plan: dict[str, Any]) -> None:
    """The difference, and what becomes of the users in flight."""
    typer.echo(printable(_summary(plan)))
    if plan["compared_with"] is not None:
        print_marked([(*MARKS[change["kind"]], change["text"]) for change in plan["changes"]])
    if not plan["in_flight"]:
        return
    rows = [
        [str(each["version"]), told(each["step"]), str(each["journeys"]), each["fate"], _why(each["reason"])]
        for each in plan["in_flight"]
    ]
    typer.echo()
    print_table(["VERSION", "STEP", "IN FLIGHT", "FATE", "WHY"], rows, folded={"WHY"})
    typer.echo(f"In flight: {counted({fate: number for fate, number in plan['totals'].items() if number})}")


def _summary(plan: dict[str, Any]) -> str:
    key, version, compared = plan["campaign"], plan["next_version"], plan["compared_with"]
    if not _changes_anything(plan):
        return f"{key}: nothing changes, version {version} is the same"
    what = f"version {version} is new" if plan["is_new"] else f"version {version} is there already"
    if compared is not None:
        what += f", with {number_of(len(plan['changes']), 'change')} since version {compared}"
    if plan["takes_effect"]:
        return f"{key}: {what}; users come in by it from now on"
    return f"{key}: {what}; it lets nobody in before `sojourn start {key}`"


def _why(reason: str | None) -> str:
    return (reason or "").replace("_", " ")
