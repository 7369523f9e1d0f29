"""sojourn hold: hold all marketing to people, and release it."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import typer

from cli.client import connect
from cli.options import AfterOption, AsJson, LimitOption, parse_instant
from cli.output import as_text, local_minute, print_json, print_next, print_table, printable

app = typer.Typer(help="Hold all marketing to people, list the holds, and release them.")

PersonOption = Annotated[
    str | None, typer.Option("--user", help="A user id; another id with its --kind.", show_default=False)
]
PersonKindOption = Annotated[
    str,
    typer.Option("--kind", help="The kind of the id: user, anonymous, profile, or the type of an external id."),
]


@app.callback(invoke_without_command=True)
def hold(
    context: typer.Context,
    user: PersonOption = None,
    kind: PersonKindOption = "user",
    segment: Annotated[str | None, typer.Option(help="A segment: its people.", show_default=False)] = None,
    area: Annotated[str | None, typer.Option(help="An area: the people in it.", show_default=False)] = None,
    until: Annotated[
        datetime | None,
        typer.Option(
            parser=parse_instant, metavar="INSTANT", help="Its end at the latest, within 366 days.", show_default=False
        ),
    ] = None,
    event: Annotated[
        str | None, typer.Option(help="An event of the person that ends it earlier.", show_default=False)
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why; it is shown on the timeline.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Hold all marketing to a person, a segment or an area for a while.

    Messages wait meanwhile, and those that expire are not sent. Transactional messages go.
    """
    if context.invoked_subcommand is not None:
        return
    if (user, segment, area).count(None) != 2:
        raise typer.BadParameter("a hold is of one --user, --segment or --area: name one of them")
    if missing := [name for name, value in {"--until": until, "--reason": reason}.items() if value is None]:
        raise typer.BadParameter(f"a hold needs {' and '.join(missing)}")
    body: dict[str, Any] = {"user": user, "segment": segment, "area": area, "event": event, "reason": reason}
    body |= {"kind": kind if user else None, "until": until and until.astimezone().isoformat()}
    with connect(context) as api:
        placed = api.post("holds", body={name: value for name, value in body.items() if value is not None})
    if as_json:
        print_json(placed)
        return
    typer.echo(printable(f"{_describe(placed)} is on hold until {_end(placed)}: {placed['reason']}"))
    typer.echo(printable(f"Release it: sojourn hold release {placed['id']}"))


@app.command("list")
def list_holds(
    context: typer.Context,
    user: PersonOption = None,
    kind: PersonKindOption = "user",
    all: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    limit: LimitOption = 50,
    after: AfterOption = None,
    as_json: AsJson = False,
) -> None:
    """List the open holds, the newest first, perhaps of one person."""
    named = {} if user is None else {"user": user, "kind": kind}
    with connect(context) as api:
        page = api.get("holds", all=str(all).lower(), limit=limit, after=after, **named)
    if as_json:
        print_json(page)
        return
    rows = [
        [each["id"], _describe(each), each["state"], _end(each), each["placed_by"], as_text(each["reason"])]
        for each in page["holds"]
    ]
    print_table(["ID", "WHO", "STATE", "UNTIL", "PLACED BY", "REASON"], rows, folded={"REASON"})
    print_next(page)


@app.command()
def release(
    context: typer.Context,
    id: Annotated[UUID, typer.Argument(metavar="ID", help="The hold.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Release a hold: the messages that wait for it go on."""
    with connect(context) as api:
        released = api.delete("holds", str(id))
    if as_json:
        print_json(released)
        return
    at = local_minute(released["ended_at"] or released["until"])
    typer.echo(printable(f"the hold of {_describe(released)} is over since {at}"))


def _describe(hold: dict[str, Any]) -> str:
    if hold["user"] is not None:
        return f"{hold['kind']} {hold['user']}"
    return f"segment {hold['segment']}" if hold["segment"] is not None else f"area {hold['area']}"


def _end(hold: dict[str, Any]) -> str:
    until = local_minute(hold["until"])
    return until if hold["event"] is None else f"{hold['event']}, at the latest {until}"
