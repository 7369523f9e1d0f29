"""sojourn users export: all that is stored of a person."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.client import connect
from cli.users.options import KindOption, PersonArgument

# For its owner alone: it is all that is known of a person.
MODE = 0o600


def export(
    context: typer.Context,
    user: PersonArgument,
    file: Annotated[
        Path | None,
        typer.Argument(help="The file to write; standard output without it.", dir_okay=False, show_default=False),
    ] = None,
    kind: KindOption = None,
) -> None:
    """Write all that is stored of a person, as lines of JSON: table and row."""
    with connect(context) as api:
        lines = api.download("users", user, "export", kind=kind)
    if file is None:
        sys.stdout.buffer.write(lines)
        sys.stdout.flush()
        return
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, MODE), "wb") as opened:
        opened.write(lines)
