"""Watch operations until they are over; they do not depend on it."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.text import Text

from cli.client import ApiClient
from cli.output import counts_text, printable
from domain.errors import UnavailableError

POLL_SECONDS = 0.5
# A restart of the API takes seconds, during which the operation goes on.
RETRY_TIMEOUT_SECONDS = 60
BAR_WIDTH = 20
# One that is held waits for a person, for days.
OVER = {"done", "cancelled", "failed", "held"}


def watch_operations(api: ApiClient, operations: list[dict[str, Any]], *, quiet: bool = False) -> list[dict[str, Any]]:
    """Watch operations until all are over; return the results.

    `quiet` keeps standard output for later results.

    Raises:
        UnavailableError: the API is away for long.
        KeyboardInterrupt: after the command to continue was printed.
    """
    return [
        watch(
            lambda operation=each: api.get("operations", operation["id"]),  # type: ignore[misc]
            f"{each['kind']} {each['campaign'] or 'deployment'}",
            progress,
            f"sojourn operations {each['id']} --watch",
            quiet=quiet,
        )
        for each in operations
    ]


def watch(
    look: Callable[[], dict[str, Any]], name: str, tell: Callable[[dict[str, Any]], str], again: str, *, quiet: bool
) -> dict[str, Any]:
    """Poll until it is over, or held; return the last one.

    `tell` describes the progress in a line, `again` is the command that continues.
    """
    try:
        with show_progress(name, tell, quiet=quiet) as show:
            return _poll(look, show)
    except KeyboardInterrupt:
        typer.echo(f"It goes on. Look again: {again}", err=True)
        raise


def _poll(look: Callable[[], dict[str, Any]], show: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    answered = time.monotonic()
    while True:
        try:
            seen = look()
        except UnavailableError:
            if time.monotonic() - answered > RETRY_TIMEOUT_SECONDS:
                raise
        else:
            answered = time.monotonic()
            show(seen)
            if seen["state"] in OVER:
                return seen
        time.sleep(POLL_SECONDS)


@contextmanager
def show_progress(
    name: str, tell: Callable[[dict[str, Any]], str], *, quiet: bool
) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Show a bar on a terminal, else one line for each change."""
    if not sys.stdout.isatty():
        said = ""

        def say(seen: dict[str, Any]) -> None:
            nonlocal said
            if (line := f"{name}: {tell(seen)}") != said:
                said = line
                typer.echo(printable(line), err=quiet)

        yield say
        return
    bar_column = BarColumn(BAR_WIDTH)
    columns = (TextColumn("{task.description}"), bar_column, TaskProgressColumn(), TextColumn("{task.fields[told]}"))
    with Progress(*columns, console=Console(stderr=quiet, highlight=False)) as bar:
        task = bar.add_task(Text(printable(name)).markup, total=None, told="")

        def draw(seen: dict[str, Any]) -> None:
            total, done = seen.get("total"), seen.get("done", 0)
            if seen["state"] in OVER and not total:
                total = done = 1
            bar.update(task, total=total, completed=done, told=Text(printable(tell(seen))).markup)

        yield draw


def progress(operation: dict[str, Any]) -> str:
    """Describe the progress in one line: `running, 300 of 1000 (exited 300)`."""
    line = str(operation["state"])
    if operation["total"] is not None:
        line += f", {operation['done']} of {operation['total']}"
    elif operation["done"]:
        line += f", {operation['done']}"
    if operation["counts"]:
        line += f" ({counts_text(operation['counts'])})"
    if operation["failures"]:
        line += f"; its next page failed {operation['failures']} times: {operation['last_error']}"
    return line
