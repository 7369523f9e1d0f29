"""sojourn dev: everything on this machine, with its data kept between runs.

Its imports stand inside the function, as in `serve`: they take a second.
"""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli.dev_forward import forward
from cli.extras import dev_extra
from cli.signals import run_until_signalled
from runtime.tasks import cancel_and_wait

if TYPE_CHECKING:
    from cli.dev_stack import DevPorts, DevStack


app = typer.Typer(invoke_without_command=True)
app.command()(forward)


@app.callback()
def dev(
    context: typer.Context,
    data: Annotated[Path, typer.Option(help="Folder that keeps databases and keys.")] = Path(".sojourn"),
    api_port: Annotated[int, typer.Option(min=1, max=65_535, help="HTTP API.")] = 8080,
    temporal_port: Annotated[int, typer.Option(min=1, max=65_535, help="Temporal server.")] = 7233,
    temporal_ui_port: Annotated[int, typer.Option(min=1, max=65_535, help="Temporal UI.")] = 8233,
    postgres_port: Annotated[int, typer.Option(min=1, max=65_535, help="PostgreSQL.")] = 5432,
    smtp_port: Annotated[int, typer.Option(min=1, max=65_535, help="SMTP of the inbox.")] = 1025,
    inbox_port: Annotated[int, typer.Option(min=1, max=65_535, help="Page of the inbox.")] = 8025,
) -> None:
    """Run all of Sojourn here until Ctrl-C: servers, an inbox, the API and a worker.

    A taken port gives way to a free one. SOJOURN_DATABASE_URL, SOJOURN_TEMPORAL_ADDRESS and SOJOURN_SMTP_HOST put real
    servers in the place of the embedded ones.
    """
    if context.invoked_subcommand is not None:
        return
    with dev_extra("dev"):
        from cli.dev_stack import DevPorts, DevStack
    from runtime.embedded.processes import EmbeddedServerError
    from runtime.instrumented_process import instrumented_process
    from settings import WatchSettings

    ports = DevPorts(
        api=api_port,
        postgres=postgres_port,
        temporal=temporal_port,
        temporal_ui=temporal_ui_port,
        smtp=smtp_port,
        inbox=inbox_port,
    )
    try:
        with (
            dev_extra("dev"),
            # At a terminal the feed says what a developer wants to know.
            instrumented_process(
                "sojourn", metrics_address=WatchSettings().metrics_address, is_quiet=sys.stderr.isatty()
            ),
        ):
            asyncio.run(run_until_signalled(_serve(DevStack(data, ports=ports), ports)))
    except EmbeddedServerError as error:
        typer.echo(f"sojourn: {error}", err=True)
        raise typer.Exit(1) from error


async def _serve(stack: "DevStack", ports: "DevPorts") -> None:
    from cli.dev_feed import keep_logging

    if not sys.stderr.isatty():
        async with stack:
            _tell(stack, ports)
            await stack.serve()
        return
    typer.echo("Starting PostgreSQL, Temporal, the inbox, the API and a worker.", err=True)
    async with stack:
        _tell(stack, ports)
        feed = asyncio.create_task(keep_logging(stack.database))
        try:
            await stack.serve()
        finally:
            await cancel_and_wait(feed)


def _tell(stack: "DevStack", ports: "DevPorts") -> None:
    """Print the addresses, the keys for requests, and the ports that were taken."""
    settings = stack.settings
    moved: list[str] = []

    def at(what: str, wished: int | None, port: int) -> None:
        if port != wished:
            moved.append(f"{what}: port {port} instead of {wished}.")

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_row("API", stack.api_url)
    table.add_row("API reference", f"{stack.api_url}/docs")
    at("API", ports.api, settings.api_port)
    table.add_row("Temporal UI", settings.temporal_ui_url)
    table.add_row("Temporal", settings.temporal_address)
    if stack.temporal is not None:
        at("Temporal", ports.temporal, stack.temporal.port)
        at("Temporal UI", ports.temporal_ui, stack.temporal.ui_port or 0)
    if stack.inbox is not None:
        table.add_row("Inbox", stack.inbox.url)
        at("Inbox", ports.inbox, stack.inbox.http_port)
        at("SMTP", ports.smtp, stack.inbox.smtp_port)
    table.add_row("SMTP", f"{settings.smtp_host}:{settings.smtp_port}")
    if stack.postgres is None:
        table.add_row("PostgreSQL", "as SOJOURN_DATABASE_URL says")
    else:
        table.add_row("PostgreSQL", f"postgresql://sojourn@127.0.0.1:{stack.postgres.port}/sojourn")
        table.add_row("", f"its password is in {stack.postgres.password_file}")
        at("PostgreSQL", ports.postgres, stack.postgres.port)
    table.add_row("Write key", settings.write_key.get_secret_value())
    table.add_row("Admin key", settings.admin_key.get_secret_value())
    table.add_row("All keys", str(stack.folder.keys_file))

    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    for line in moved:
        console.print(line)
    console.print("Ctrl-C stops everything; the data is kept.")
