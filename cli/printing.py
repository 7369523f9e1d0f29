"""How the commands print: results on standard output, what went wrong on standard error."""

import json
import sys
from datetime import datetime
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from domain.errors import InvalidDocumentError, Problem, SojournError

# Where nobody looks at the output but a file or another program, lines need no folding.
UNFOLDED_COLUMNS = 400


def print_table(columns: list[str], rows: list[list[str]]) -> None:
    """A table of plain text: what users named their things can neither colour nor move the terminal."""
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    width = None if sys.stdout.isatty() else UNFOLDED_COLUMNS
    Console(width=width, highlight=False).print(table)


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_error(error: SojournError) -> None:
    """One line for each thing that is wrong, on standard error."""
    if isinstance(error, InvalidDocumentError):
        for problem in error.problems:
            typer.echo(printable(str(problem)), err=True)
    else:
        typer.echo(f"sojourn: {printable(error.detail)}", err=True)


def print_warnings(warnings: list[dict[str, Any]]) -> None:
    """One line for each thing worth a second look, on standard error."""
    for warning in warnings:
        typer.echo(printable(f"warning: {Problem(**warning)}"), err=True)


def printable(text: str) -> str:
    """The text without control characters, which a terminal would obey."""
    return "".join(character if character.isprintable() else "�" for character in text)


def local(instant: str) -> str:
    """An instant of the API in this machine's zone."""
    return datetime.fromisoformat(instant).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")
