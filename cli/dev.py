"""sojourn dev: everything on this machine, with its data kept between runs.

Its imports stand inside the function, as in `serve`: they take a second.
"""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.dev_folder import DATA_FOLDER
from cli.dev_forward import forward
from cli.extras import dev_extra
from cli.signals import run_until_signalled
from cli.target import find_dev_folder
from runtime.tasks import cancel_and_wait

if TYPE_CHECKING:
    from cli.dev_stack import DevPorts, DevStack


app = typer.Typer(invoke_without_command=True)
app.command()(forward)


@app.callback()
def dev(
    context: typer.Context,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder that keeps databases and keys; .sojourn, here or above.", show_default=False),
    ] = None,
    api_port: Annotated[
        int | None,
        typer.Option(min=1, max=65_535, help="HTTP API; SOJOURN_API_PORT, or 8080, if left out.", show_default=False),
    ] = None,
    temporal_port: Annotated[int, typer.Option(min=1, max=65_535, help="Temporal server.")] = 7233,
    temporal_ui_port: Annotated[int, typer.Option(min=1, max=65_535, help="Temporal UI.")] = 8233,
    postgres_port: Annotated[int, typer.Option(min=1, max=65_535, help="PostgreSQL.")] = 5432,
    smtp_port: Annotated[int, typer.Option(min=1, max=65_535, help="SMTP of the inbox.")] = 1025,
    inbox_port: Annotated[int, typer.Option(min=1, max=65_535, help="Page of the inbox.")] = 8025,
    shop_port: Annotated[int, typer.Option(min=1, max=65_535, help="Pages of the shop.")] = 8090,
) -> None:
    """Run all of Sojourn here until Ctrl-C: servers, an inbox, a shop, API and worker.

    A taken port gives way to a free one. SOJOURN_DATABASE_URL, SOJOURN_TEMPORAL_ADDRESS and SOJOURN_SMTP_HOST put real
    servers in the place of the embedded ones.
    """
    if context.invoked_subcommand is not None:
        return
    with dev_extra("dev"):
        from cli.dev_stack import DevPorts, DevStack
    from cli.unknown_variables import log_unknown_variables
    from runtime.embedded.processes import EmbeddedServerError
    from runtime.instrumented_process import instrumented_process
    from settings import ApiSettings, WatchSettings

    ports = DevPorts(
        api=ApiSettings().api_port if api_port is None else api_port,
        postgres=postgres_port,
        temporal=temporal_port,
        temporal_ui=temporal_ui_port,
        smtp=smtp_port,
        inbox=inbox_port,
        shop=shop_port,
    )
    try:
        with (
            dev_extra("dev"),
            # At a terminal the feed says what a developer wants to know.
            instrumented_process(
                "sojourn", metrics_address=WatchSettings().metrics_address, is_quiet=sys.stderr.isatty()
            ),
        ):
            log_unknown_variables()
            folder = data or find_dev_folder() or Path(DATA_FOLDER)
            asyncio.run(run_until_signalled(_serve(DevStack(folder, ports=ports), ports)))
    except EmbeddedServerError as error:
        typer.echo(f"sojourn: {error}", err=True)
        raise typer.Exit(1) from error


async def _serve(stack: "DevStack", ports: "DevPorts") -> None:
    from cli.dev_banner import print_banner
    from cli.dev_feed import keep_logging

    if not sys.stderr.isatty():
        async with stack:
            await print_banner(stack, ports)
            await stack.serve()
        return
    typer.echo("Starting PostgreSQL, Temporal, the inbox, the API and a worker.", err=True)
    async with stack:
        await print_banner(stack, ports)
        feed = asyncio.create_task(keep_logging(stack.database))
        try:
            await stack.serve()
        finally:
            await cancel_and_wait(feed)
