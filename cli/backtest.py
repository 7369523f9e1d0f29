"""sojourn backtest: what campaigns would have done over the last days."""

import asyncio
import logging
import os
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from msgspec.structs import replace

from cli.check import find_running_dev
from cli.exit_codes import EXCEEDED, REFUSED
from cli.options import AsJson
from cli.output import clear_progress, print_json, print_progress, printable
from cli.scenario_files import DeployedFile, check_campaigns, parse_rules, read_given
from domain.campaign.durations import DurationError, parse_duration

if TYPE_CHECKING:
    from application.rehearsal.backtests import Backtested
    from application.rehearsal.deployments import BacktestedRules
    from application.rehearsal.simulations import BacktestOptions
    from domain.rehearsal.limits import BacktestLimits
    from settings import BacktestSettings

CONNECTIONS: Final = 2
# Longer than any deployment keeps its events.
MAX_LAST: Final = timedelta(days=3_660)
SHARE: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?%")
RUNNING: Final = "running"


class OtherCampaigns(StrEnum):
    """How the campaigns count of which no file is given."""

    SIMULATE = "simulate"
    LEDGER = "ledger"


BacktestedFiles = Annotated[list[Path] | None, typer.Argument(exists=True, metavar="FILE", show_default=False)]


def _parse_last(text: str) -> timedelta:
    try:
        seconds = parse_duration(text)
    except DurationError as error:
        raise typer.BadParameter(f"{error.message}: {error.suggestion}", param_hint="--last") from error
    if not 0 < seconds <= MAX_LAST.total_seconds():
        said = f"`{text}` is not a period to look back: write `30d`, more than 0s and at most {MAX_LAST.days}d"
        raise typer.BadParameter(said, param_hint="--last")
    return timedelta(seconds=seconds)


def _parse_share(text: str) -> float:
    if SHARE.fullmatch(text) and 0 < float(text[:-1]) <= 100:
        return float(text[:-1]) / 100
    said = f"`{text}` is not a share of people: write `10%`, more than 0% and at most 100%"
    raise typer.BadParameter(said, param_hint="--sample")


def _read_limits(
    per_person: int | None, growth: str | None, silenced: str | None, against: Sequence[str]
) -> "BacktestLimits":
    from domain.rehearsal.limits import BacktestLimits

    shares = {"--max-growth": growth, "--max-silenced": silenced}
    for option, text in shares.items():
        if text is not None and not against:
            said = f"it compares two versions: name the other one by `--against {RUNNING}` or `--against FILE`"
            raise typer.BadParameter(said, param_hint=option)
        if text is not None and not SHARE.fullmatch(text):
            raise typer.BadParameter(f"`{text}` is not a share: write `10%`, or `0%` for none", param_hint=option)
    read = [None if text is None else float(text[:-1]) / 100 for text in shares.values()]
    return BacktestLimits(per_person, *read)


def _read_against(against: Sequence[str]) -> list[DeployedFile] | None:
    """Return the files of the version that is compared with; none for what runs."""
    if not against:
        return None
    if RUNNING in against:
        if len(against) == 1:
            return []
        said = f"`{RUNNING}` stands alone: files take the place of what runs anyway"
        raise typer.BadParameter(said, param_hint="--against")
    if missing := [name for name in against if not Path(name).exists()]:
        said = f"there is no file or folder `{missing[0]}`: name one, or `{RUNNING}` for what runs"
        raise typer.BadParameter(said, param_hint="--against")
    return read_given([Path(name) for name in against])


def backtest(
    files: BacktestedFiles = None,
    last: Annotated[str, typer.Option(metavar="DURATION", help="The period until now.")] = "30d",
    others: Annotated[
        OtherCampaigns, typer.Option(help="Simulate the other running campaigns, or take their messages as they went.")
    ] = OtherCampaigns.SIMULATE,
    sample: Annotated[str, typer.Option(metavar="SHARE", help="The share of people.")] = "100%",
    segment: Annotated[str | None, typer.Option(help="Only the members of a segment now.", show_default=False)] = None,
    user: Annotated[str | None, typer.Option(help="Only this person, with a trace.", show_default=False)] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            metavar="running|FILE", help="Report the difference from what runs, or from files.", show_default=False
        ),
    ] = None,
    examples: Annotated[
        bool, typer.Option("--examples/--no-examples", help="Name people who get something else, with their traces.")
    ] = True,
    max_per_person: Annotated[
        int | None, typer.Option(min=0, metavar="NUMBER", help="Messages of one person at most.", show_default=False)
    ] = None,
    max_growth: Annotated[
        str | None, typer.Option(metavar="SHARE", help="Growth of the messages at most.", show_default=False)
    ] = None,
    max_silenced: Annotated[
        str | None,
        typer.Option(metavar="SHARE", help="People who get none any more at most.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Simulate campaigns over the events of the last days, and send nothing.

    Files take the place of what runs: campaigns, caps, segments and other documents. Runs on a machine of the
    deployment with its settings, or by those of the `sojourn dev` that runs here, and only reads the database; a
    replica will do. Status 7 if a limit is exceeded.
    """
    from settings import BacktestSettings

    period, share = _parse_last(last), _parse_share(sample)
    limits = _read_limits(max_per_person, max_growth, max_silenced, against or [])
    given, other = read_given(files or []), _read_against(against or [])

    def choose(until: datetime) -> "BacktestOptions":
        from application.rehearsal.simulations import BacktestOptions

        return BacktestOptions(
            since=until - period,
            until=until,
            others=others.value,
            sample=share,
            segment=segment,
            user_ids=() if user is None else (user,),
        )

    # The pool logs each failed attempt, and the error says it once.
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
    dev = find_running_dev()
    settings = BacktestSettings(**({} if dev is None else dev.settings))
    found = asyncio.run(_run(settings, given, other, choose, limits))
    if not examples:
        found = _leave_out_examples(found)
    _print(found, as_json=as_json, user=user)


async def _run(
    settings: "BacktestSettings",
    given: Sequence[DeployedFile],
    other: Sequence[DeployedFile] | None,
    choose: "Callable[[datetime], BacktestOptions]",
    limits: "BacktestLimits",
) -> "Backtested":
    from application.rehearsal.backtests import Against, Backtest
    from application.rehearsal.deployments import read_deployed
    from provider_wiring import default_providers
    from store.connection_failure import explaining_failures
    from store.database import Database
    from store.schema_revision import require_ready

    url = settings.database_url.get_secret_value()
    async with explaining_failures(url), Database(url, pool_size=CONNECTIONS) as database:
        async with database.snapshot() as connection:
            await require_ready(connection)
            running = await read_deployed(connection)
        deployed = _put_in_place(running, given)
        against = None if other is None else Against(_put_in_place(running, other), _list_names(other))
        chosen = choose(await database.now())
        run = Backtest(
            database,
            deployed,
            running,
            chosen,
            settings.timezone,
            default_providers(settings),
            os.cpu_count() or 1,
            against,
            limits,
        )
        try:
            return await run.run(_list_names(given), print_progress)
        finally:
            clear_progress()


def _put_in_place(running: "BacktestedRules", given: Sequence[DeployedFile]) -> "BacktestedRules":
    return running.with_documents(check_campaigns(given).values(), parse_rules(given))


def _list_names(given: Sequence[DeployedFile]) -> list[str]:
    return [str(one.path) for one in given]


def _leave_out_examples(found: "Backtested") -> "Backtested":
    difference = found.report.difference
    if difference is None:
        return found
    return replace(found, report=replace(found.report, difference=replace(difference, examples=())))


def _print(found: "Backtested", *, as_json: bool, user: str | None) -> None:
    from msgspec import to_builtins

    from application.rehearsal.traces import trace
    from domain.rehearsal.difference_text import write_difference
    from domain.rehearsal.limits import LIMITS
    from domain.rehearsal.report_text import write_report

    lines = [] if user is None else trace(found.traces.get(user, ()))
    if as_json:
        report: dict[str, Any] = to_builtins(found.report, str_keys=True)
        print_json({**report, "trace": to_builtins(lines)} if user is not None else report)
    else:
        difference = found.report.difference
        text = write_report(found.report) if difference is None else write_difference(found.report, difference)
        typer.echo("\n".join(map(printable, text.splitlines())))
        if user is not None:
            typer.echo("\n## Trace\n")
            for line in lines:
                typer.echo(printable(f"- {line.at:%Y-%m-%d %H:%M} {line.campaign}: {line.summary}"))
    if any(one.fails for one in found.report.faults):
        raise typer.Exit(REFUSED)
    if exceeded := [one for one in found.report.limits if one.is_exceeded]:
        for limit in exceeded:
            typer.echo(f"sojourn: {LIMITS[limit.name]}: {limit.found}, at most {limit.most}", err=True)
        raise typer.Exit(EXCEEDED)
