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

from cli.check import find_running_dev
from cli.exit_codes import REFUSED
from cli.options import AsJson
from cli.output import clear_progress, print_json, print_progress, printable
from cli.scenario_files import DeployedFile, check_campaigns, parse_rules, read_given
from domain.campaign.durations import DurationError, parse_duration

if TYPE_CHECKING:
    from application.rehearsal.backtests import Backtested
    from application.rehearsal.deployments import BacktestedCampaign
    from application.rehearsal.simulations import BacktestOptions
    from domain.campaign.publication import Published
    from settings import Settings

# The version of a campaign by a file: those that are published count from 1 on.
GIVEN_VERSION: Final = 0
CONNECTIONS: Final = 2
# Longer than any deployment keeps its events.
MAX_LAST: Final = timedelta(days=3_660)
SHARE: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,9})?%")


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


def backtest(
    files: BacktestedFiles = None,
    last: Annotated[str, typer.Option(metavar="DURATION", help="The period until now.")] = "30d",
    others: Annotated[
        OtherCampaigns, typer.Option(help="Simulate the other running campaigns, or take their messages as they went.")
    ] = OtherCampaigns.SIMULATE,
    sample: Annotated[str, typer.Option(metavar="SHARE", help="The share of people.")] = "100%",
    segment: Annotated[str | None, typer.Option(help="Only the members of a segment now.", show_default=False)] = None,
    user: Annotated[str | None, typer.Option(help="Only this person, with a trace.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Simulate campaigns over the events of the last days, and send nothing.

    Files take the place of what runs: campaigns, caps, segments and other documents. Runs on a machine of the
    deployment with its settings, or by those of the `sojourn dev` that runs here, and only reads the database; a
    replica will do.
    """
    from settings import Settings

    period, share = _parse_last(last), _parse_share(sample)
    given = read_given(files or [])

    def choose(until: datetime) -> "BacktestOptions":
        from application.rehearsal.simulations import BacktestOptions

        return BacktestOptions(
            since=until - period,
            until=until,
            others=others.value,
            sample=share,
            segment=segment,
            user_id=user,
        )

    # The pool logs each failed attempt, and the error says it once.
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
    dev = find_running_dev()
    settings = Settings(**({} if dev is None else dev.settings))
    found = asyncio.run(_run(settings, given, choose))
    _print(found, as_json=as_json, with_trace=user is not None)


async def _run(
    settings: "Settings", given: Sequence[DeployedFile], choose: "Callable[[datetime], BacktestOptions]"
) -> "Backtested":
    from application.rehearsal.backtests import Backtest
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
        documents = parse_rules([one for one in given if one.kind != "campaign"])
        campaigns = [_take(one) for one in check_campaigns(given).values()]
        deployed = running.with_given(campaigns, documents)
        chosen = choose(await database.now())
        run = Backtest(
            database, deployed, running, chosen, settings.timezone, default_providers(settings), os.cpu_count() or 1
        )
        try:
            return await run.run([str(one.path) for one in given], print_progress)
        finally:
            clear_progress()


def _take(published: "Published") -> "BacktestedCampaign":
    from application.rehearsal.deployments import BacktestedCampaign
    from domain.rehearsal.rulebook import RunningCampaign
    from domain.rehearsal.samples import CampaignTemplates

    running = RunningCampaign(published.definition.key, GIVEN_VERSION, published.plan, published.rules)
    return BacktestedCampaign(running, CampaignTemplates(published.templates, published.compiled_bodies), is_given=True)


def _print(found: "Backtested", *, as_json: bool, with_trace: bool) -> None:
    from msgspec import to_builtins

    from application.rehearsal.traces import trace
    from domain.rehearsal.report_text import write_report

    lines = trace(found.records) if with_trace else []
    if as_json:
        report: dict[str, Any] = to_builtins(found.report, str_keys=True)
        print_json({**report, "trace": to_builtins(lines)} if with_trace else report)
    else:
        typer.echo("\n".join(map(printable, write_report(found.report).splitlines())))
        if with_trace:
            typer.echo("\n## Trace\n")
            for line in lines:
                typer.echo(printable(f"- {line.at:%Y-%m-%d %H:%M} {line.campaign}: {line.summary}"))
    if any(one.fails for one in found.report.faults):
        raise typer.Exit(REFUSED)
