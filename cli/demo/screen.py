"""What the demo prints: a live table in a terminal, else a block of lines for each user as they come to their end."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from cli.demo.cast import Performance
from cli.demo.story import Verdict, elapsed
from cli.printing import printable

GOT, NOTHING = "green", "yellow"
WHEN_WIDTH = 8


@contextmanager
def live(console: Console, performances: Sequence[Performance]) -> Iterator[None]:
    """While the block runs, show one line a user; at its end, the whole table in its place."""
    if not console.is_interactive:
        yield
        return
    spinner = Spinner("dots")

    def overview() -> Group:
        over = sum(performance.is_over for performance in performances)
        spinner.update(text=f"{over} of {len(performances)} users have come to their end")
        return Group(_overview(performances), spinner)

    with Live(console=console, get_renderable=overview, refresh_per_second=8, transient=True):
        yield
    console.print(_whole(performances))


def tell(console: Console, performance: Performance) -> None:
    """Print one user's story, where there is no live table."""
    if console.is_interactive:
        return
    console.print(f"{performance.scenario.user:<6}{performance.scenario.story}", soft_wrap=True)
    for verdict in shown(performance):
        console.print(f"      {_when(verdict):>{WHEN_WIDTH}}  {printable(verdict.told)}", soft_wrap=True)


def shown(performance: Performance) -> list[Verdict]:
    """The verdicts that say something to a reader: not every entry and every plain end."""
    return [verdict for verdict in performance.person.verdicts if verdict.outcome not in ("entered", "completed")]


def print_addresses(console: Console, rows: Sequence[tuple[str, str]]) -> None:
    table = Table.grid(padding=(0, 3, 0, 0))
    for name, address in rows:
        table.add_row(name, Text(address))
    console.print(table, soft_wrap=True)


def _overview(performances: Sequence[Performance]) -> Table:
    table = _table()
    for performance in performances:
        verdicts = shown(performance)
        last = _told(verdicts[-1]) if verdicts else Text("…", "dim")
        when = _when(verdicts[-1]) if verdicts else ""
        table.add_row(performance.scenario.user, performance.scenario.story, when, last)
    for column in table.columns:
        column.no_wrap, column.overflow = True, "ellipsis"
    return table


def _whole(performances: Sequence[Performance]) -> Table:
    table = _table()
    for performance in performances:
        user, story = performance.scenario.user, performance.scenario.story
        for verdict in shown(performance):
            table.add_row(user, story, _when(verdict), _told(verdict))
            user = story = ""
        if user:
            table.add_row(user, story, "", Text(performance.error or "nothing", NOTHING))
    return table


def _table() -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("USER", style="bold")
    table.add_column("WHAT THEY DO", min_width=24, ratio=2)
    table.add_column("WHEN", justify="right", min_width=WHEN_WIDTH, no_wrap=True)
    table.add_column("WHAT COMES OF IT", ratio=3)
    return table


def _told(verdict: Verdict) -> Text:
    return Text(printable(verdict.told), GOT if verdict.is_good else NOTHING)


def _when(verdict: Verdict) -> str:
    return elapsed(verdict.after) if verdict.after is not None else "at once"
