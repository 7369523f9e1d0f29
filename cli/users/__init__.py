"""sojourn users: a module a command."""

import typer

from cli.users.find import find
from cli.users.merge import merge
from cli.users.show import show

app = typer.Typer(no_args_is_help=True, help="Show, find and merge people.")
for command in (show, find, merge):
    app.command()(command)
