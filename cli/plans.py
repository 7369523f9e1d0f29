"""sojourn plan and apply: plan a document's changes, and apply exactly those."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.approvals import describe_approval
from cli.attachments import store_attachments
from cli.campaigns import InFlightChoice, InFlightOption
from cli.client import ApiClient, RefusedError, connect
from cli.documents import TEMPLATES, campaign_document, document_files
from cli.exit_codes import CHANGES, DONE, WAITING, status_of
from cli.operation_progress import watch_operations
from cli.operations import check_done, tell_operation
from cli.options import AsJson, WatchOption, Yes
from cli.output import (
    as_text,
    confirm,
    counts_text,
    number_of,
    print_error,
    print_json,
    print_marked,
    print_table,
    print_warnings,
    printable,
    say_once,
)
from domain.errors import InvalidDocumentError, InvalidRequestError, Problem

MARKS = {"added": ("+", "green"), "removed": ("-", "red"), "moved": (">", "cyan"), "changed": ("~", "yellow")}
STAYS = "stays"

FilesArgument = Annotated[list[Path], typer.Argument(exists=True, metavar="FILE", show_default=False)]


def plan(
    context: typer.Context,
    files: FilesArgument,
    in_flight: InFlightOption = InFlightChoice.KEEP,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="End with status 4 where something would change.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what applying campaign files would change, also for open journeys.

    A folder stands for its files. Nothing is changed. The JSON of one file is its plan; of several, or of a folder, a
    list of `plans`.
    """
    documents = document_files(files)
    with connect(context) as api:
        planned = _plan_files(api, documents, in_flight)
    found = [plan for _, plan in planned]
    if as_json:
        print_json(found[0] if documents == files and len(found) == 1 else {"plans": found})
    else:
        warned = say_once([(Path(document["file"]), _warnings(each)) for document, each in planned])
        for each, warnings in zip(found, warned, strict=True):
            _show(each)
            typer.echo(printable(f"Plan {each['hash']}"))
            print_warnings(warnings)
    raise typer.Exit(CHANGES if exit_code and any(map(_changes_anything, found)) else DONE)


def apply(
    context: typer.Context,
    files: FilesArgument,
    in_flight: InFlightOption = InFlightChoice.KEEP,
    planned: Annotated[
        str | None,
        typer.Option("--plan", metavar="HASH", help="Do what this plan said, or nothing.", show_default=False),
    ] = None,
    watch: WatchOption = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Publish campaign files, with the templates in `templates` beside each.

    A folder stands for its files. All are checked first; then all are published together, or none. A running campaign
    uses the new version from then on.
    """
    documents = document_files(files)
    if planned and len(documents) > 1:
        raise typer.BadParameter("a plan is of one file: apply the others by themselves")
    with connect(context) as api:
        if planned is None:
            proved = _plan_files(api, documents, in_flight, besides="nothing was published: all files are, or none")
            _confirm(api, [plan for _, plan in proved], is_quiet=as_json, is_confirmed=yes)
            hashed = [(document, plan["hash"]) for document, plan in proved]
        else:
            hashed = [(campaign_document(file)[1], planned) for file in documents]
        store_attachments(api, [file.parent / TEMPLATES for file in documents])
        body = [{**document, "in_flight": in_flight, "plan": hash} for document, hash in hashed]
        applied = api.post("apply", body={"campaigns": body})["applied"]
        operations = [api.get("operations", each["operation"]) for each in applied if each["operation"]]
        if not as_json:
            # The warnings of an unchanged version were printed when it was published.
            new = [_warnings(each["plan"]) if each["created"] else [] for each in applied]
            warned = say_once([(Path(document["file"]), each) for (document, _), each in zip(hashed, new, strict=True)])
            for each, warnings in zip(applied, warned, strict=True):
                change = "published" if each["created"] else "unchanged"
                hint = f"; `sojourn start {each['campaign']}` lets users in" if each["state"] == "draft" else ""
                typer.echo(printable(f"{each['campaign']}: version {each['version']} {change}, {each['state']}{hint}"))
                print_warnings(warnings)
                if each["approval"]:
                    typer.echo(printable(describe_approval(each["approval"])), err=True)
            for operation in operations:
                if not watch:
                    tell_operation(operation)
        ended = watch_operations(api, operations, quiet=as_json) if watch else []
    if as_json:
        results = [{"file": document["file"], **each} for (document, _), each in zip(hashed, applied, strict=True)]
        print_json({"applied": results, "operations": ended or operations})
    check_done(ended)
    if any(each["approval"] for each in applied):
        raise typer.Exit(WAITING)


def _plan_files(
    api: ApiClient, files: list[Path], in_flight: InFlightChoice, *, besides: str = ""
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return each document with its plan.

    If any has problems, print them and exit; with several files, `besides` follows.
    """
    proved: list[tuple[dict[str, Any], dict[str, Any]]] = []
    invalid: list[tuple[Path, list[Problem]]] = []
    status = DONE
    for file in files:
        try:
            key, document = campaign_document(file)
            proved.append((document, _plan_one(api, key, document, in_flight)))
        except InvalidDocumentError as error:
            invalid.append((file, error.problems))
            status = status or status_of(error)
        except (InvalidRequestError, RefusedError) as error:
            print_error(error)
            status = status or status_of(error)
    for problems in say_once(invalid):
        print_error(InvalidDocumentError(problems))
    if status:
        if besides and len(files) > 1:
            typer.echo(f"sojourn: {besides}", err=True)
        raise typer.Exit(status)
    return proved


def _confirm(api: ApiClient, plans: list[dict[str, Any]], *, is_quiet: bool, is_confirmed: bool) -> None:
    """Show the changes, and confirm once if journeys migrate or exit."""
    affected: list[str] = []
    for plan in plans:
        if not is_quiet and plan["compared_with"] is not None and _changes_anything(plan):
            _show(plan)
        if counts := _count_affected(plan):
            affected.append(f"{plan['campaign']} on {api.url}, in flight: {counts_text(counts)}")
    if affected and not is_confirmed:
        confirm(f"Apply {'; '.join(affected)}?")


def _warnings(plan: dict[str, Any]) -> list[Problem]:
    return [Problem(**warning) for warning in plan["warnings"]]


def _plan_one(api: ApiClient, key: str, document: dict[str, Any], in_flight: InFlightChoice) -> dict[str, Any]:
    return api.ask("campaigns", key, "plan", body={**document, "in_flight": in_flight})


def _changes_anything(plan: dict[str, Any]) -> bool:
    is_another = plan["takes_effect"] and plan["next_version"] != plan["running_version"]
    return bool(plan["is_new"] or is_another or _count_affected(plan))


def _count_affected(plan: dict[str, Any]) -> dict[str, int]:
    """Count the journeys that do not just stay, by fate."""
    return {fate: number for fate, number in plan["totals"].items() if number and fate != STAYS}


def _show(plan: dict[str, Any]) -> None:
    """Show the changes, and the fate of open journeys."""
    typer.echo(printable(_summary(plan)))
    if plan["compared_with"] is not None:
        print_marked([(*MARKS[change["kind"]], change["text"]) for change in plan["changes"]])
    if (audience := plan["audience"]) is not None:
        typer.echo(printable(_audience(audience)))
    if (approval := plan["approval"]) is not None:
        people = f"{approval['people']} people, more than {approval['above']}"
        typer.echo(f"Approval: this may reach {people}: it waits for another person")
    for one in plan["fallback_languages"]:
        typer.echo(printable(f"Languages: {one['summary']}"))
    if not plan["in_flight"]:
        return
    rows = [
        [
            str(each["version"]),
            as_text(each["step"]),
            str(each["journeys"]),
            each["fate"],
            _describe_reason(each["reason"]),
        ]
        for each in plan["in_flight"]
    ]
    typer.echo()
    print_table(["VERSION", "STEP", "IN FLIGHT", "FATE", "WHY"], rows, folded={"WHY"})
    typer.echo(f"In flight: {counts_text({fate: number for fate, number in plan['totals'].items() if number})}")


def _summary(plan: dict[str, Any]) -> str:
    key, version, compared = plan["campaign"], plan["next_version"], plan["compared_with"]
    if not _changes_anything(plan):
        return f"{key}: nothing changes, version {version} is the same"
    what = f"version {version} is new" if plan["is_new"] else f"version {version} is there already"
    if compared is not None:
        what += f", with {number_of(len(plan['changes']), 'change')} since version {compared}"
    if plan["takes_effect"]:
        return f"{key}: {what}; users come in by it from now on"
    return f"{key}: {what}; it lets no users in before `sojourn start {key}`"


def _audience(audience: dict[str, Any]) -> str:
    missing = counts_text({f"missing:{path}": number for path, number in audience["missing"].items()})
    as_text = counts_text({name: audience[name] for name in ("in_audience", "not_in_audience", "not_evaluated")})
    return f"Audience, of {audience['profiles']} people looked at: {as_text}" + (f" ({missing})" if missing else "")


def _describe_reason(reason: str | None) -> str:
    return (reason or "").replace("_", " ")
