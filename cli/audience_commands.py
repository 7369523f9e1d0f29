"""sojourn audiences status: the people of an audience, and the last requests."""

from typing import Annotated, Any

import typer

from cli.client import connect
from cli.options import AsJson
from cli.output import audience_text, local_second, print_json, print_table, printable

_Name = Annotated[str, typer.Argument(metavar="NAME", help="The audience.", show_default=False)]


def add_audience_commands(app: typer.Typer) -> None:
    """Add the state of an audience to the commands of the document."""
    app.command("status")(show_status)


def show_status(context: typer.Context, name: _Name, as_json: AsJson = False) -> None:
    """Show who is wanted in an audience, what the platform has, and its answers."""
    with connect(context) as api:
        found = api.get("audiences", name)
    if as_json:
        print_json(found)
        return
    filled = f"mirrors the segment {found['mirror']}" if found["mirror"] else "filled by steps"
    typer.echo(printable(f"{found['name']}: {found['id']} of {found['provider']}, {filled}"))
    typer.echo(audience_text(found["numbers"]))
    if found["flushed_at"] is not None:
        typer.echo(f"Last flush: {local_second(found['flushed_at'])}")
    if found["failure"] is not None:
        typer.echo(printable(f"Failed at {local_second(found['failed_at'])}: {found['failure']}"))
    if found["uploads"]:
        typer.echo()
        columns = ["AT", "ACTION", "PEOPLE", "INVALID", "STATE", "DETAIL"]
        print_table(columns, [_row(upload) for upload in found["uploads"]])


def _row(upload: dict[str, Any]) -> list[str]:
    numbers = f"{upload['people']:,}", f"{upload['invalid']:,}"
    return [local_second(upload["at"]), upload["action"], *numbers, upload["state"], upload["detail"]]
