"""sojourn sessions: the sessions of the web console."""

from typing import Annotated

import typer

from cli.client import connect
from cli.options import AfterOption, AsJson, LimitOption
from cli.output import is_past, local_minute, print_json, print_next, print_table, printable

app = typer.Typer(no_args_is_help=True, help="List and revoke the sessions of the web console.")


@app.command("list")
def list_sessions(
    context: typer.Context, limit: LimitOption = 50, after: AfterOption = None, as_json: AsJson = False
) -> None:
    """Show the sessions, the latest first."""
    with connect(context) as api:
        page = api.get("sessions", limit=limit, after=after)
    if as_json:
        print_json(page)
        return
    rows = [
        [
            each["id"],
            each["actor"]["name"],
            ", ".join(each["scopes"]),
            each["key_id"] or each["how"],
            _state(each),
            local_minute(each["created_at"]),
        ]
        for each in page["sessions"]
    ]
    print_table(["SESSION", "WHO", "SCOPES", "BY", "STATE", "CREATED"], rows, folded={"WHO", "SCOPES"})
    print_next(page)


@app.command()
def revoke(
    context: typer.Context,
    id: Annotated[str, typer.Argument(metavar="ID", help="As `sojourn sessions list` has it.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Revoke a session: its browser must log in again."""
    with connect(context) as api:
        session = api.delete("sessions", id)
    if as_json:
        print_json(session)
    else:
        typer.echo(printable(f"{session['id']}: session of {session['actor']['name']} revoked"))


def _state(session: dict[str, str]) -> str:
    if session["revoked_at"]:
        return "revoked"
    return "expired" if is_past(session["expires_at"]) else f"until {local_minute(session['expires_at'])}"
