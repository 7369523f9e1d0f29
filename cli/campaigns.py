"""sojourn campaigns, start, pause, resume, stop, archive: the life of campaigns."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from cli.approvals import describe_approval
from cli.client import RefusedError, connect
from cli.exit_codes import REFUSED, WAITING
from cli.operation_progress import watch_operations
from cli.operations import check_done
from cli.options import AsJson, CampaignsArgument, OneCampaignArgument, WatchOption, Yes
from cli.output import as_text, confirm, local, print_error, print_facts, print_json, print_table, printable


class InFlightChoice(StrEnum):
    """The choice for the journeys on other versions."""

    KEEP = "keep"
    MIGRATE = "migrate"
    EXIT = "exit"


InFlightOption = Annotated[
    InFlightChoice, typer.Option("--in-flight", help="The choice for the journeys on other versions.")
]


def campaigns(
    context: typer.Context,
    key: OneCampaignArgument = None,
    as_json: AsJson = False,
) -> None:
    """Show all campaigns, or one with its versions."""
    with connect(context) as api:
        if key is None:
            found = api.get("campaigns")
        else:
            found = api.get("campaigns", key)
            found["versions"] = api.get("campaigns", key, "versions")["versions"]
    if as_json:
        print_json(found)
    elif key is None:
        _list(found["campaigns"])
    else:
        _show(found)


def start(
    context: typer.Context,
    keys: CampaignsArgument,
    version: Annotated[int | None, typer.Option(min=1, help="The latest, if left out.", show_default=False)] = None,
    in_flight: InFlightOption = InFlightChoice.KEEP,
    watch: WatchOption = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Let users in, within the schedule."""
    if version is not None and len(keys) > 1:
        raise typer.BadParameter("a version belongs to one campaign: start the others by themselves")
    question = None
    if in_flight is not InFlightChoice.KEEP and not yes:
        question = f"Start {', '.join(keys)}, and {in_flight} the journeys on other versions,"
    body: dict[str, Any] = {"in_flight": in_flight}
    if version is not None:
        body["version"] = version
    _change(context, "start", keys, question, body=body, watch=watch, as_json=as_json)


def pause(context: typer.Context, keys: CampaignsArgument, as_json: AsJson = False) -> None:
    """Hold all messages at once. Journeys continue until their next message."""
    _change(context, "pause", keys, as_json=as_json)


def resume(
    context: typer.Context, keys: CampaignsArgument, watch: WatchOption = False, as_json: AsJson = False
) -> None:
    """Resume paused campaigns. Held messages go as their `on_resume` says."""
    _change(context, "resume", keys, watch=watch, as_json=as_json)


def stop(
    context: typer.Context,
    keys: CampaignsArgument,
    is_exit: Annotated[
        bool, typer.Option("--exit", help="End the journeys under way as well, at once. Without it they finish.")
    ] = False,
    watch: WatchOption = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Let no more users in."""
    question = f"Stop {', '.join(keys)}, and end all journeys," if is_exit and not yes else None
    body = {"mode": "exit" if is_exit else "drain"}
    _change(context, "stop", keys, question, body=body, watch=watch, as_json=as_json)


def archive(context: typer.Context, keys: CampaignsArgument, as_json: AsJson = False) -> None:
    """Archive campaigns that have ended or never started."""
    _change(context, "archive", keys, as_json=as_json)


def _change(
    context: typer.Context,
    verb: str,
    keys: list[str],
    question: str | None = None,
    *,
    body: dict[str, Any] | None = None,
    watch: bool = False,
    as_json: bool,
) -> None:
    """Confirm and change each campaign; a refusal does not affect the others."""
    changed: list[dict[str, Any]] = []
    operations: list[dict[str, Any]] = []
    with connect(context) as api:
        if question:
            confirm(f"{question} on {api.url}?")
        for key in keys:
            try:
                view = api.post("campaigns", key, verb, body=body)
            except RefusedError as error:
                print_error(error)
                continue
            changed.append(view)
            if not as_json:
                typer.echo(printable(_describe(view)))
                if view["approval"]:
                    typer.echo(printable(describe_approval(view["approval"])), err=True)
            if watch:
                operations.extend(api.get("operations", id) for id in view["operations"])
        ended = watch_operations(api, operations, quiet=as_json)
    if as_json:
        print_json({"campaigns": changed, "operations": ended} if watch else {"campaigns": changed})
    check_done(ended)
    if len(changed) < len(keys):
        raise typer.Exit(REFUSED)
    if any(view["approval"] for view in changed):
        raise typer.Exit(WAITING)


def _describe(view: dict[str, Any]) -> str:
    version = view["running_version"]
    return f"{view['key']}: {view['state']}" + ("" if version is None else f", version {version}")


def _list(found: list[dict[str, Any]]) -> None:
    columns = ["CAMPAIGN", "STATE", "STAGE", "RUNNING", "LATEST", "ACTIVE", "JOURNEYS"]
    fields = ["key", "state", "stage", "running_version", "latest_version", "active_journeys", "total_journeys"]
    rows = [["-" if each[name] is None else str(each[name]) for name in fields] for each in found]
    for each, row in zip(found, rows, strict=True):
        if each["approval"]:
            row[1] += ", waits"
    print_table(columns, rows)


def _show(view: dict[str, Any]) -> None:
    print_facts(
        {
            "Campaign": view["key"],
            "Name": view["name"],
            "Stage": as_text(view["stage"]),
            "State": view["state"],
            **({"Waits": describe_approval(view["approval"])} if view["approval"] else {}),
            "Journeys": f"{view['active_journeys']} under way, {view['total_journeys']} in all",
            "Changed": local(view["updated_at"]),
        }
    )
    typer.echo()
    rows = [
        [
            str(each["version"]),
            "running" if each["version"] == view["running_version"] else "",
            each["file"],
            local(each["published_at"]),
        ]
        for each in view["versions"]
    ]
    print_table(["VERSION", "", "FILE", "PUBLISHED"], rows, folded={"FILE"})
