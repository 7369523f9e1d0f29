"""sojourn caps: the frequency caps that hold across all campaigns."""

from pathlib import Path
from typing import Annotated

import typer

from cli.client import connect
from cli.documents import read_text
from cli.options import AsJson
from cli.output import number_of, print_json

app = typer.Typer(no_args_is_help=True, help="Show and replace the frequency caps.")


@app.command()
def apply(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Replace the rules by those of a file."""
    with connect(context) as api:
        caps = api.put("frequency-caps", body={"file": str(file), "source": read_text(file)})
    if as_json:
        print_json(caps)
    else:
        typer.echo(f"frequency caps: version {caps['version']}, {number_of(len(caps['rules']), 'rule')}")


@app.command()
def show(context: typer.Context, as_json: AsJson = False) -> None:
    """Print the rules in force."""
    with connect(context) as api:
        caps = api.get("frequency-caps")
    if as_json:
        print_json(caps)
    else:
        typer.echo(f"# version {caps['version']}\n{caps['source'].rstrip()}")
