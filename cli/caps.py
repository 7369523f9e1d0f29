"""sojourn caps: the frequency caps that hold across all campaigns."""

from pathlib import Path
from typing import Annotated

import typer

from cli.campaign import AsJson, read_text
from cli.client import ApiClient
from cli.printing import print_json
from cli.target import find_target

app = typer.Typer(no_args_is_help=True, help="Show and replace the frequency caps.")


@app.command()
def apply(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, show_default=False)], as_json: AsJson = False
) -> None:
    """Replace the rules by those of a file."""
    with ApiClient(find_target()) as api:
        caps = api.put_caps(str(file), read_text(file))
    if as_json:
        print_json(caps)
    else:
        rules = len(caps["rules"])
        typer.echo(f"frequency caps: version {caps['version']}, {rules} rule{'s' if rules != 1 else ''}")


@app.command()
def show(as_json: AsJson = False) -> None:
    """Print the rules in force."""
    with ApiClient(find_target()) as api:
        caps = api.caps()
    if as_json:
        print_json(caps)
    else:
        typer.echo(f"# version {caps['version']}\n{caps['source'].rstrip()}")
