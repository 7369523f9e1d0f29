"""sojourn journeys: list and show journeys, end them, and skip their waits."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import typer

from cli.client import ApiClient, RefusedError, connect
from cli.exit_codes import REFUSED
from cli.explain import print_timeline
from cli.operation_progress import watch_operations
from cli.operations import check_done, tell_operation
from cli.options import AfterOption, AsJson, CampaignOption, LimitOption, WatchOption, Yes, parse_instant
from cli.output import (
    as_text,
    confirm,
    is_asked,
    local,
    local_minute,
    number_of,
    print_error,
    print_facts,
    print_json,
    print_next,
    print_table,
    printable,
)

app = typer.Typer(invoke_without_command=True, help="List journeys, look at one, end them or their waits.")

# The past form of each action.
DONE = {"exit": "exited", "skip": "goes on"}

JourneyArgument = Annotated[UUID, typer.Argument(metavar="ID", help="The journey's id.", show_default=False)]
JourneysArgument = Annotated[
    list[UUID] | None, typer.Argument(metavar="ID", help="Journeys by their ids.", show_default=False)
]
VersionOption = Annotated[int | None, typer.Option(min=1, help="On this version of the campaign.", show_default=False)]
UserOption = Annotated[str | None, typer.Option(help="Only this user's.", show_default=False)]
AccountOption = Annotated[str | None, typer.Option(help="Only this account's.", show_default=False)]
StepOption = Annotated[str | None, typer.Option(help="Only those at this step now.", show_default=False)]
StatusOption = Annotated[str | None, typer.Option(help="waiting, deferred, held or acting.", show_default=False)]
EnteredAfterOption = Annotated[
    datetime | None,
    typer.Option(parser=parse_instant, metavar="INSTANT", help="From this instant on.", show_default=False),
]
EnteredBeforeOption = Annotated[
    datetime | None,
    typer.Option(parser=parse_instant, metavar="INSTANT", help="Before this instant.", show_default=False),
]


@app.callback()
def list_journeys(
    context: typer.Context,
    campaign: CampaignOption = None,
    version: VersionOption = None,
    user: UserOption = None,
    account: AccountOption = None,
    state: Annotated[str | None, typer.Option(help="active, completed or exited.", show_default=False)] = None,
    step: StepOption = None,
    status: StatusOption = None,
    entered_after: EnteredAfterOption = None,
    entered_before: EnteredBeforeOption = None,
    limit: LimitOption = 20,
    after: AfterOption = None,
    as_json: AsJson = False,
) -> None:
    """List journeys, the latest first; or look at one, end them or their waits."""
    which = _build_selection(campaign, version, user, account, step, status, entered_after, entered_before)
    if (command := context.invoked_subcommand) is not None:
        limited_by = context.get_parameter_source("limit")
        is_limited = limited_by is not None and limited_by.name == "COMMANDLINE"
        if (which and command == "show") or state or after or is_limited:
            raise typer.BadParameter(f"`{command}` does not take the options of the list")
        # Options that select journeys, and --json, may precede the command.
        context.obj = which
        return
    with connect(context) as api:
        page = api.get("journeys", **which, state=state, limit=limit, after=after)
    if as_json:
        print_json(page)
        return
    columns = ["JOURNEY", "USER", "CAMPAIGN", "V", "STATE", "STEP", "NEXT"]
    # All columns for one campaign fit into 80 characters.
    shown = [number for number, column in enumerate(columns) if campaign is None or column not in {"CAMPAIGN", "V"}]
    rows = [_row(each) for each in page["journeys"]]
    print_table([columns[number] for number in shown], [[row[number] for number in shown] for row in rows])
    print_next(page)


@app.command()
def show(context: typer.Context, id: JourneyArgument, as_json: AsJson = False) -> None:
    """Show one journey: its position and its records."""
    with connect(context) as api:
        journey = api.get("journeys", str(id))
    if as_json:
        print_json(journey)
        return
    print_facts(
        {
            "Journey": journey["id"],
            "Campaign": f"{journey['campaign']}, version {journey['version']}",
            "Account": as_text(journey["account_id"]),
            "User": as_text(journey["user_id"]),
            "Entry key": as_text(journey["entry_key"]),
            "State": _state(journey),
            "Step": as_text(journey["step"]),
            "Next": local(journey["wakes_at"]),
            "Began": local(journey["entered_at"]),
            "Ended": local(journey["ended_at"]),
            "Temporal": journey["url"],
        }
    )
    if journey["timeline"]:
        typer.echo()
        print_timeline(journey["timeline"], is_of_one=True)


@app.command("exit")
def exit_journeys(
    context: typer.Context,
    ids: JourneysArgument = None,
    campaign: CampaignOption = None,
    version: VersionOption = None,
    user: UserOption = None,
    account: AccountOption = None,
    step: StepOption = None,
    status: StatusOption = None,
    entered_after: EnteredAfterOption = None,
    entered_before: EnteredBeforeOption = None,
    watch: WatchOption = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """End journeys, by their ids or all of a campaign that the options select."""
    which = {
        **context.obj,
        **_build_selection(campaign, version, user, account, step, status, entered_after, entered_before),
    }
    _act(context, "exit", "End", ids, which, watch=watch, yes=yes, as_json=as_json)


@app.command("skip")
def skip(
    context: typer.Context,
    ids: JourneysArgument = None,
    campaign: CampaignOption = None,
    version: VersionOption = None,
    user: UserOption = None,
    account: AccountOption = None,
    step: StepOption = None,
    status: StatusOption = None,
    entered_after: EnteredAfterOption = None,
    entered_before: EnteredBeforeOption = None,
    watch: WatchOption = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Skip the waits of journeys, by their ids or all that the options select."""
    which = {
        **context.obj,
        **_build_selection(campaign, version, user, account, step, status, entered_after, entered_before),
    }
    _act(context, "skip", "Skip the wait of", ids, which, watch=watch, yes=yes, as_json=as_json)


def _act(
    context: typer.Context,
    verb: str,
    question: str,
    ids: list[UUID] | None,
    which: dict[str, Any],
    *,
    watch: bool,
    yes: bool,
    as_json: bool,
) -> None:
    if bool(ids) == bool(which):
        raise typer.BadParameter("name journeys by their ids, or choose them by --campaign and more")
    if which and "campaign" not in which:
        raise typer.BadParameter("--campaign is missing: what is done to many is done in one campaign")
    with connect(context) as api:
        if ids:
            _act_on_each(api, verb, ids, as_json=as_json)
            return
        if not yes and is_asked():
            number = api.ask("journeys", verb, body={**which, "dry_run": True})["journeys"]
            confirm(f"{question} {number_of(number, 'journey')} of {which['campaign']} on {api.url}?")
        operation = api.post("journeys", verb, body=which)
        if watch:
            [operation] = watch_operations(api, [operation], quiet=as_json)
    if as_json:
        print_json(operation)
    elif not watch:
        tell_operation(operation)
    check_done([operation])


def _act_on_each(api: ApiClient, verb: str, ids: list[UUID], *, as_json: bool) -> None:
    """Act on each journey; a refusal does not affect the others."""
    changed: list[dict[str, Any]] = []
    for id in ids:
        try:
            changed.append(api.post("journeys", str(id), verb))
        except RefusedError as error:
            print_error(error)
    if as_json:
        print_json({"journeys": changed})
    else:
        for each in changed:
            typer.echo(printable(f"{each['id']}: {DONE[verb]}"))
    if len(changed) < len(ids):
        raise typer.Exit(REFUSED)


def _build_selection(
    campaign: str | None,
    version: int | None,
    user: str | None,
    account: str | None,
    step: str | None,
    status: str | None,
    entered_after: datetime | None,
    entered_before: datetime | None,
) -> dict[str, Any]:
    """Build the API's selection. An instant without offset is by this machine's clock."""
    which = {
        "campaign": campaign,
        "version": version,
        "user": user,
        "account": account,
        "step": step,
        "status": status,
        "entered_after": entered_after and entered_after.astimezone().isoformat(),
        "entered_before": entered_before and entered_before.astimezone().isoformat(),
    }
    return {name: value for name, value in which.items() if value is not None}


def _row(each: dict[str, Any]) -> list[str]:
    version, next_up = str(each["version"]), local_minute(each["wakes_at"])
    return [
        each["id"],
        as_text(each["account_id"] or each["user_id"]),
        each["campaign"],
        version,
        _state(each),
        as_text(each["step"]),
        next_up,
    ]


def _state(journey: dict[str, Any]) -> str:
    """Describe a journey's status, or its end."""
    return str(journey["status"] or journey["outcome"] or journey["state"])
