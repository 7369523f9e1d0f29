"""The demo's output: a live table in a terminal, else a block of lines a user."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from cli.demo.cast import Performance
from cli.demo.story import StoryVerdict, elapsed_time
from cli.output import printable

WHEN_WIDTH = 8
WIDE, NARROW_STORY = 110, 24


@contextmanager
def live(console: Console, performances: Sequence[Performance]) -> Iterator[None]:
    """Show one line a user during the block, and the whole table at its end."""
    if not console.is_interactive:
        yield
        return
    spinner = Spinner("dots")

    def overview() -> Group:
        over = sum(performance.is_over for performance in performances)
        spinner.update(text=f"{over} of {len(performances)} done")
        return Group(_overview(console, performances), spinner)

    with Live(console=console, get_renderable=overview, refresh_per_second=8, transient=True):
        yield
    console.print(_whole(console, performances))


def tell(console: Console, performance: Performance) -> None:
    """Print one user's story if there is no live table."""
    if console.is_interactive:
        return
    console.print(f"{performance.scenario.user:<6}{performance.scenario.story}", markup=False, soft_wrap=True)
    for verdict in final_screen(performance):
        console.print(
            f"      {_format_time(verdict):>{WHEN_WIDTH}}  {printable(verdict.told)}", markup=False, soft_wrap=True
        )


def final_screen(performance: Performance) -> list[StoryVerdict]:
    """Select the verdicts of interest: not every entry and every plain end."""
    return [verdict for verdict in performance.person.verdicts if verdict.outcome not in ("entered", "completed")]


def _overview(console: Console, performances: Sequence[Performance]) -> Table:
    """Show one line a user with the latest verdict: 20 users fit into 24 lines."""
    table = _table(console)
    for performance in performances:
        story, latest = Text(performance.scenario.story), Text("…", "dim")
        if verdicts := final_screen(performance):
            latest = Text.assemble(f"{_format_time(verdicts[-1]):>{WHEN_WIDTH}}  ", _describe(verdicts[-1]))
        for cell in (story, latest):
            cell.no_wrap, cell.overflow = True, "ellipsis"
        table.add_row(performance.scenario.user, story, latest)
    return table


def _whole(console: Console, performances: Sequence[Performance]) -> Table:
    table = _table(console)
    for performance in performances:
        lines = Table.grid(padding=(0, 2, 0, 0))
        lines.add_column(justify="right", width=WHEN_WIDTH)
        lines.add_column()
        for verdict in final_screen(performance):
            lines.add_row(_format_time(verdict), _describe(verdict))
        table.add_row(performance.scenario.user, performance.scenario.story, lines)
    return table


def _table(console: Console) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("USER", style="bold", min_width=4, no_wrap=True)
    # The result is longer, so in a narrow terminal it gets most of the space.
    table.add_column("WHAT THEY DO", max_width=NARROW_STORY if console.width < WIDE else None)
    table.add_column(f"{'WHEN':>{WHEN_WIDTH}}  WHAT COMES OF IT")
    return table


def _describe(verdict: StoryVerdict) -> Text:
    if verdict.arrival is not None:
        return Text(printable(verdict.told), "green")
    is_end = verdict.after is not None and "/" not in verdict.place
    return Text(printable(verdict.told), "" if is_end else "yellow")


def _format_time(verdict: StoryVerdict) -> str:
    return elapsed_time(verdict.after) if verdict.after is not None else ""
