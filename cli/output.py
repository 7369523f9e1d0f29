"""Output: results on standard output, errors and questions on standard error."""

import json
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from domain.errors import InvalidDocumentError, Problem, SojournError

# Lines for files and other programs need no folding.
UNFOLDED_COLUMNS = 400
# Between two columns of a table.
GAP = 2
# Campaigns named in one line.
MAX_NAMED = 5


def print_table(columns: list[str], rows: list[list[str]], *, folded: Collection[str] = ()) -> None:
    """Print a plain table; users' names can neither colour nor move the terminal.

    The columns of `folded` are folded between words if there is little room; the others stay whole for copying.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    room = GAP * (len(columns) - 1)
    cells = [[printable(cell) for cell in row] for row in rows]
    for column, name in enumerate(columns):
        texts = [name, *(row[column] for row in cells)]
        pieces = [word for text in texts for word in text.split()] if name in folded else texts
        least = max(map(cell_len, pieces))
        table.add_column(name, no_wrap=name not in folded, overflow="fold", min_width=least)
        room += least
    for row in cells:
        table.add_row(*map(Text, row))
    _print(table, room)


def print_facts(facts: Mapping[str, str]) -> None:
    """Print one line for each fact that is not empty."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, value in facts.items():
        if value:
            table.add_row(Text(name, "bold"), Text(printable(value)))
    _print(table, UNFOLDED_COLUMNS)


def print_marked(lines: list[tuple[str, str, str]]) -> None:
    """Print one line each: a mark, coloured if possible, and a text."""
    table = Table.grid(padding=(0, 1, 0, 0))
    for mark, style, text in lines:
        table.add_row(Text(f"  {mark}", style), Text(printable(text)))
    _print(table, UNFOLDED_COLUMNS)


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def describe_reader(reader: Mapping[str, Any]) -> str:
    """Describe what reads a rule: `campaign win-back, version 2`."""
    version = reader["version"]
    return f"{reader['kind']} {reader['key']}" + ("" if version is None else f", version {version}")


def print_progress(done: int, total: int) -> None:
    """Show on a terminal how many people are done. The line is cleared at the end."""
    if sys.stderr.isatty():
        typer.echo(f"\r{done:,} of {total:,} people", nl=False, err=True)


def clear_progress() -> None:
    """Clear the line of the progress."""
    if sys.stderr.isatty():
        typer.echo("\r\033[K", nl=False, err=True)


def print_next(page: Mapping[str, Any]) -> None:
    """Print the command for the next page to standard error."""
    if page["next"]:
        typer.echo(printable(f"There are more: --after {page['next']}"), err=True)


def print_error(error: SojournError) -> None:
    """Print one line for each problem to standard error."""
    if isinstance(error, InvalidDocumentError):
        for problem in error.problems:
            typer.echo(printable(str(problem)), err=True)
    else:
        typer.echo(f"sojourn: {printable(error.detail)}", err=True)


def say_once(found: Sequence[tuple[Path, Sequence[Problem]]]) -> list[list[Problem]]:
    """Keep each problem for the first campaign that has it, and name all of these.

    The fault of a template is one of every campaign that sends it.
    """
    files: dict[Problem, list[str]] = {}
    for file, problems in found:
        for problem in dict.fromkeys(problems):
            files.setdefault(problem, []).append(file.name)
    said: list[list[Problem]] = []
    for _, problems in found:
        firsts = [(problem, files.pop(problem)) for problem in dict.fromkeys(problems) if problem in files]
        said.append([_name_campaigns(problem, names) for problem, names in firsts])
    return said


def _name_campaigns(problem: Problem, names: Sequence[str]) -> Problem:
    if len(names) == 1:
        return problem
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    named = f"{len(names)} campaigns: {', '.join(names[:MAX_NAMED])}{more}"
    return replace(problem, message=f"{problem.message} ({named})")


@cache
def print_masked() -> None:
    """Say once on standard error that personal fields are masked, and how to see them."""
    typer.echo("masked: personal fields are empty here, since they need a key of scope people", err=True)


def print_warnings(warnings: Sequence[Problem]) -> None:
    """Print one line for each warning to standard error."""
    for warning in warnings:
        typer.echo(printable(f"warning: {warning}"), err=True)


def is_asked() -> bool:
    """Return whether a person can answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirm(question: str) -> None:
    """Confirm an irreversible action; raise typer.Abort at a no. Scripts just go on."""
    if is_asked():
        typer.confirm(printable(question), abort=True, err=True)


def printable(text: str) -> str:
    """Remove control characters, which a terminal would obey."""
    return "".join(character if character.isprintable() else "�" for character in text)


def as_text(value: Any) -> str:
    """Format a member of an answer as a cell: nothing for null."""
    return "" if value is None else str(value)


def counts_text(counts: Mapping[str, int]) -> str:
    """Format counts in one line: `exited 30, missing profile.traits.plan 2`."""
    kinds = ((*name.partition(":"), number) for name, number in counts.items())
    return list_text({f"{kind.replace('_', ' ')} {of}".strip(): number for kind, _, of, number in kinds})


def list_text(data: Mapping[str, Any]) -> str:
    """Format an object in one line: `campaign cart, scopes read ingest`."""
    return ", ".join(f"{name} {_in_line(value)}" for name, value in data.items())


def _in_line(value: Any) -> str:
    match value:
        case dict():
            return f"({list_text(value)})"
        case list():
            return " ".join(map(_in_line, value))
        case bool():
            return "yes" if value else "no"
        case _:
            return str(value)


def number_of(number: int, noun: str) -> str:
    """Format a number with its noun: `1 journey`, `2 journeys`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def describe_movement(people: dict[str, Any]) -> str:
    """Format who would be in a segment, and who would join and leave it."""
    members, joins, leaves = (people[name]["summary"] for name in ("members", "joins", "leaves"))
    return f"{members} are members; {joins} join; {leaves} leave"


def people_text(number: int) -> str:
    """Format a number of people: `1 person`, `2 people`."""
    return "1 person" if number == 1 else f"{number:,} people"


def audience_text(numbers: dict[str, int]) -> str:
    """Format the people of an audience at an ad platform."""
    parts = ("sent", "pending", "failed", "without_address")
    counts = (f"{numbers[part]:,} {part.replace('_', ' ')}" for part in parts)
    return f"{people_text(numbers['wanted'])} wanted, {', '.join(counts)}"


def local(instant: str | None) -> str:
    """Format an instant of the API in this machine's zone; nothing for null."""
    return _local(instant, "%Y-%m-%d %H:%M:%S %z")


def local_second(instant: str | None) -> str:
    """Format an instant for tables, which have little room."""
    return _local(instant, "%Y-%m-%d %H:%M:%S")


def local_minute(instant: str | None) -> str:
    """Format an instant for tables with many columns."""
    return _local(instant, "%Y-%m-%d %H:%M")


def is_past(instant: str) -> bool:
    """Return whether an instant of the API has passed."""
    return datetime.fromisoformat(instant) <= datetime.now(UTC)


def utc_second(instant: str) -> str:
    """An instant of the API in UTC, for tables whose head says so."""
    return datetime.fromisoformat(instant).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _local(instant: str | None, form: str) -> str:
    return datetime.fromisoformat(instant).astimezone().strftime(form) if instant else ""


def _print(table: Table, least: int) -> None:
    """Print without trailing blanks. Wide lines are folded by the terminal."""
    console = Console(width=None if sys.stdout.isatty() else UNFOLDED_COLUMNS, highlight=False)
    console.width = max(console.width, least)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        typer.echo(line.rstrip())
