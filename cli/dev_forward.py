"""sojourn dev forward: the time of a running `sojourn dev`, moved on."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from msgspec import Struct

from cli.dev_folder import DATA_FOLDER, RUN, DevFolder
from cli.options import AsJson
from cli.output import local_minute, number_of, print_json, printable
from cli.target import DEV, THIS_MACHINE, find_deployment, find_dev_folder, read_run
from domain.campaign.durations import EXPECTED, MAX_SECONDS, DurationError, format_duration, parse_duration
from domain.errors import ConflictError, InvalidRequestError

if TYPE_CHECKING:
    from runtime.embedded.feed import FeedLine
    from runtime.embedded.forward import Due


def forward(
    context: typer.Context,
    duration: Annotated[str, typer.Argument(help="By how much: `1d`, `2h30m`; at most a year.", show_default=False)],
    data: Annotated[Path | None, typer.Option(help="Folder of the `sojourn dev`.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Move the time of the running `sojourn dev` forward, through all that is due.

    Delays, send windows, caps, expiries, audiences and schedules of campaigns go by the new time from then on, and so
    do events that are reported. A later `forward` adds to it; time is never moved back.
    """
    by = _duration(duration)
    folder = data or (context.parent and context.parent.params["data"]) or find_dev_folder() or Path(DATA_FOLDER)
    found = _find_run(context, folder)
    with DevFolder(folder).moving_time():
        forwarded = asyncio.run(_forward(found, by, is_quiet=as_json))
    if as_json:
        print_json(msgspec.to_builtins(forwarded))
    else:
        _print(forwarded)


def _duration(text: str) -> timedelta:
    try:
        seconds = parse_duration(text)
    except DurationError as error:
        raise InvalidRequestError(f"{error.message}. {error.suggestion}") from error
    if not 0 < seconds <= MAX_SECONDS:
        raise InvalidRequestError(f"`{text}` is not between 1s and {format_duration(MAX_SECONDS)}. {EXPECTED}")
    return timedelta(seconds=seconds)


def _find_run(context: typer.Context, folder: Path) -> Mapping[str, str]:
    """Find the `sojourn dev` of the folder. Raises InvalidRequestError for no other."""
    given = context.find_root().params
    named = find_deployment(context=given.get("context"), url=given.get("url"))
    run = read_run(folder / RUN)
    if named.name not in (DEV, THIS_MACHINE) and (run is None or named.api_url.rstrip("/") != run["api_url"]):
        raise InvalidRequestError(
            f"only the time of a `sojourn dev` can be moved, and {named.name} names {named.api_url}: "
            "leave it out, and name the folder of the `sojourn dev` by --data"
        )
    if run is None:
        raise InvalidRequestError(f"no `sojourn dev` runs in {folder}: start it, or name its folder by --data")
    if "database_url" not in run:
        raise ConflictError(
            "this `sojourn dev` uses a database or a Temporal of its own, whose time cannot be moved: "
            "start it without SOJOURN_DATABASE_URL and SOJOURN_TEMPORAL_ADDRESS"
        )
    return run


class _Forwarded(Struct, frozen=True):
    """The result of a move, as `--json` prints it."""

    now: datetime
    journeys_moved: int
    happened: "Sequence[FeedLine]"
    still_at_work: Sequence[str]
    next: "Due | None"


async def _forward(run: Mapping[str, str], by: timedelta, *, is_quiet: bool) -> _Forwarded:
    """Move the time, and print each incident as it comes unless quiet."""
    # Takes a second to load, which a wrong duration need not.
    from runtime.embedded.feed import ActivityFeed
    from runtime.embedded.forward import Forwarder
    from runtime.embedded.temporal import NAMESPACE
    from runtime.temporal import connect
    from store.database import Database

    async with Database(run["database_url"], pool_size=2) as database:
        forwarder = Forwarder(database, await connect(run["temporal_address"], NAMESPACE))
        feed = ActivityFeed(database)
        await feed.begin()
        happened: list[FeedLine] = []
        unsettled: Sequence[str] = ()
        journeys = 0
        async for moved in forwarder.forward(by):
            unsettled, journeys = moved.unsettled, max(journeys, moved.journeys)
            for line in sorted(await feed.read(), key=lambda line: line.at):
                happened.append(line)
                if not is_quiet:
                    typer.echo(printable(f"{_minute(line.at)}  {line.user}  {line.campaign or ''}  {line.summary}"))
        return _Forwarded(await database.now(), journeys, happened, unsettled, await forwarder.next_due())


def _print(done: _Forwarded) -> None:
    counts = Counter(line.event for line in done.happened)
    events = ", ".join(_count(number, event) for event, number in sorted(counts.items())) or "Nothing was due"
    typer.echo(f"It is {_minute(done.now)} now. {_count(done.journeys_moved, 'journey moved')}. {events}.")
    if done.still_at_work:
        typer.echo(f"Still at work: {', '.join(map(printable, done.still_at_work))}", err=True)
    if done.next is not None:
        typer.echo(printable(f"Next: {_minute(done.next.at)}  {done.next.summary}"))


def _count(number: int, event: str) -> str:
    """`2 messages sent`."""
    noun, _, past = event.partition(" ")
    return f"{number_of(number, noun)} {past}"


def _minute(at: datetime) -> str:
    return local_minute(at.isoformat())
