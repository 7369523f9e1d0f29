"""sojourn segments: a module a command, or several that share their words."""

import typer

from cli.segments.definitions import apply, delete, list_all, plan, show
from cli.segments.explain import explain
from cli.segments.members import export, members

app = typer.Typer(no_args_is_help=True, help="List, show, plan, apply, delete and export segments, and explain them.")
app.command("list")(list_all)
app.command()(show)
app.command()(plan)
app.command()(apply)
app.command()(delete)
app.command()(members)
app.command()(export)
app.command()(explain)
