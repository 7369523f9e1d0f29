"""sojourn users: a module a command."""

import typer

from cli.users.find import find
from cli.users.show import show

app = typer.Typer(no_args_is_help=True, help="Show and find people.")
for command in (show, find):
    app.command()(command)
