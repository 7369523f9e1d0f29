"""sojourn users: a module a command."""

import typer

from cli.users.change import change
from cli.users.erase import erase
from cli.users.export import export
from cli.users.find import find
from cli.users.import_file import import_file
from cli.users.merge import merge
from cli.users.show import show

app = typer.Typer(no_args_is_help=True, help="Show, find, change, import, merge, export and erase people.")
app.command()(show)
app.command()(find)
app.command("set")(change)
app.command("import")(import_file)
app.command()(merge)
app.command()(export)
app.command()(erase)
