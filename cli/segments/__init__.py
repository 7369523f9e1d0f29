"""sojourn segments: a module a command, or several that share their words."""

import typer

from cli.segments.definitions import apply, delete, list_all, plan, show
from cli.segments.explain import explain
from cli.segments.members import export, members
from cli.segments.numbers import overlap, trend
from cli.segments.preview import count, preview

app = typer.Typer(no_args_is_help=True, help="Preview, plan, apply, show, export and explain segments.")
app.command("list")(list_all)
app.command()(show)
app.command()(plan)
app.command()(apply)
app.command()(delete)
app.command()(members)
app.command()(export)
app.command()(preview)
app.command()(count)
app.command()(explain)
app.command()(trend)
app.command()(overlap)
