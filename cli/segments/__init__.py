"""sojourn segments: a module a command."""

import typer

from cli.segments.explain import explain

app = typer.Typer(no_args_is_help=True, help="Explain who is in which segment.")
app.command()(explain)
