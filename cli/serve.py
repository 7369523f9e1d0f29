"""sojourn api, worker, promote, migrate: the processes of a deployment.

Their imports stand inside the functions: the Temporal client, FastAPI and SQLAlchemy together take a second, which
`sojourn campaigns` should not wait for.
"""

import asyncio
import gc
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import printable

if TYPE_CHECKING:
    from domain.deployment.findings import DeploymentFinding
    from runtime.deployments import Current
    from settings import Settings
    from settings_temporal import TemporalSettings


def api(
    host: Annotated[str | None, typer.Option(help="SOJOURN_API_HOST, if left out.", show_default=False)] = None,
    port: Annotated[int | None, typer.Option(help="SOJOURN_API_PORT, if left out.", show_default=False)] = None,
) -> None:
    """Serve the HTTP API. Start several processes behind a load balancer for more."""
    with _without_garbage_collection():
        from api.app import create_app
        from api.server import serve
        from cli.unknown_variables import log_unknown_variables
        from runtime.instrumented_process import instrumented_process, log_fatal
        from runtime.logs import configure_logs
        from settings import Settings

    configure_logs()
    log_unknown_variables()
    settings = Settings()
    with (
        log_fatal(),
        instrumented_process(
            "sojourn-api",
            metrics_address=settings.metrics_address,
            build_id=settings.build_id,
            has_temporal=False,
        ),
    ):
        app = create_app(settings)
        # Loaded modules stay: the garbage collector need not scan them again.
        gc.freeze()
        serve(app, settings, host=host or settings.api_host, port=settings.api_port if port is None else port)


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Pause the collector while modules load, which saves a fifth of the start."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def worker() -> None:
    """Run journeys and send messages."""
    with _without_garbage_collection():
        from cli.unknown_variables import log_unknown_variables
        from runtime.logs import configure_logs
        from worker import main

    configure_logs()
    log_unknown_variables()
    main()


def lmtp(
    host: Annotated[str, typer.Option(help="Where to listen: who reaches it can hand mails over.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="For the transport of the mail server.")] = 8024,
) -> None:
    """Take bounces, replies and unsubscriptions from a mail server, by LMTP."""
    with _without_garbage_collection():
        from cli.unknown_variables import log_unknown_variables
        from runtime.instrumented_process import instrumented_process, log_fatal
        from runtime.logs import configure_logs
        from settings import Settings

    configure_logs()
    log_unknown_variables()
    settings = Settings()
    with (
        log_fatal(),
        instrumented_process(
            "sojourn-lmtp", metrics_address=settings.metrics_address, build_id=settings.build_id, has_temporal=False
        ),
    ):
        asyncio.run(_listen(settings, host, port))


async def _listen(settings: "Settings", host: str, port: int) -> None:
    from runtime.lmtp import LmtpListener
    from wiring import services

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with services(settings) as opened:
        await LmtpListener(opened.incoming_mails).run(host, port, stop)


def promote(
    build: Annotated[str | None, typer.Argument(help="SOJOURN_BUILD_ID, if left out.", show_default=False)] = None,
    within: Annotated[float, typer.Option(help="Seconds that its workers have to come.")] = 120,
) -> None:
    """Let the workers of a build have all journeys: the newest, or an older roll-back."""
    from settings_temporal import TemporalSettings

    settings = TemporalSettings()
    chosen = build or settings.build_id
    if chosen is None:
        raise typer.BadParameter("name a build, or set SOJOURN_BUILD_ID")
    current = asyncio.run(_promote(settings, chosen, timedelta(seconds=within)))
    typer.echo(f"Build {current.build_id} has the journeys; before, {_named_build(current.before)}.")


async def _promote(settings: "TemporalSettings", build: str, within: timedelta) -> "Current":
    from domain.errors import UnavailableError
    from runtime import deployments
    from runtime.temporal_probe import read_failure
    from wiring import connect_temporal

    try:
        client = await connect_temporal(settings)
    except RuntimeError as error:
        reason = read_failure(error).reason
        raise UnavailableError(f"Temporal does not answer at {settings.temporal_address}: {reason}") from error
    return await deployments.promote(client, settings.task_queue, build, within)


def _named_build(build: str | None) -> str:
    return "workers without a build" if build is None else f"build {build}"


def migrate() -> None:
    """Migrate the database, and add missing search attributes to Temporal.

    Safe to repeat, to run twice at once, and after a roll-back. While Temporal is away the database is still migrated;
    then run it again, or add the attributes with Temporal's command.
    """
    from settings import DatabaseSettings
    from settings_temporal import TemporalSettings
    from store.migrate import upgrade

    database, temporal = DatabaseSettings(), TemporalSettings()
    upgrade(database.database_url.get_secret_value())
    typer.echo("The database has the newest schema.")
    lacking = asyncio.run(_make_search_attributes(temporal))
    if not lacking:
        typer.echo("Temporal has the search attributes.")
    for found in lacking:
        typer.echo(printable(f"Without search attributes, no journey starts. {found}"), err=True)
    if lacking:
        typer.echo("Then run `sojourn migrate` again, or `sojourn check`.", err=True)


async def _make_search_attributes(settings: "TemporalSettings") -> "list[DeploymentFinding]":
    """Add search attributes; return why that fails."""
    from temporalio.service import RPCError

    from domain.deployment.findings import Facts, TemporalFacts, find_lacks
    from runtime.temporal import CALL_TIMEOUT
    from runtime.temporal_probe import make_search_attributes, probe_temporal, read_failure
    from wiring import connect_temporal

    try:
        async with asyncio.timeout(2 * CALL_TIMEOUT):
            client = await connect_temporal(settings)
            facts = await probe_temporal(client, settings.task_queue)
            if isinstance(facts, TemporalFacts) and facts.missing:
                await make_search_attributes(client, facts.missing)
                facts = replace(facts, missing={})
    except (RuntimeError, RPCError, TimeoutError) as error:
        facts = read_failure(error)
    return find_lacks(Facts(temporal=facts))
