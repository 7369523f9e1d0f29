"""The banner of `sojourn dev`: addresses, keys, and notes."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table

from cli.dev_path import path_line
from cli.output import number_of
from domain.campaign.durations import format_duration
from domain.sending.outbound_secrets import BoundSecret, describe_unbound

if TYPE_CHECKING:
    from cli.dev_stack import DevPorts, DevStack

# A `dev forward` may end some seconds later than asked for.
MIN_AHEAD: Final = timedelta(minutes=1)


async def print_banner(stack: "DevStack", ports: "DevPorts") -> None:
    """Print the addresses, the keys for requests, and notes."""
    console = Console(highlight=False, soft_wrap=True, markup=False)
    console.print(_places(stack))
    for line in [
        *_moved_ports(stack, ports),
        *_unbound_secrets(stack.settings.webhook_secrets),
        *_time(await stack.database.now(), await stack.clock_ahead(), stack.folder.path),
    ]:
        console.print(line)
    if line := path_line():
        console.print(f"In another terminal, first: {line}")
    console.print("Ctrl-C stops everything; the data is kept.")


def _places(stack: "DevStack") -> Table:
    settings = stack.settings
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_row("API", stack.api_url)
    table.add_row("Console", f"{stack.api_url}/console")
    table.add_row("API reference", f"{stack.api_url}/docs")
    table.add_row("Temporal UI", settings.temporal_ui_url)
    table.add_row("Temporal", settings.temporal_address)
    if stack.inbox is not None:
        table.add_row("Inbox", stack.inbox.url)
    table.add_row("Shop", stack.shop_url)
    table.add_row("SMTP", f"{settings.smtp_host}:{settings.smtp_port}")
    if stack.postgres is None:
        table.add_row("PostgreSQL", "as SOJOURN_DATABASE_URL says")
    else:
        table.add_row("PostgreSQL", f"postgresql://sojourn@127.0.0.1:{stack.postgres.port}/sojourn")
        table.add_row("", f"its password is in {stack.postgres.password_file}")
    table.add_row("Write key", settings.write_key.get_secret_value())
    table.add_row("Admin key", settings.admin_key.get_secret_value())
    table.add_row("All keys", str(stack.folder.keys_file))
    return table


def _moved_ports(stack: "DevStack", ports: "DevPorts") -> Iterator[str]:
    """List the ports that were taken."""
    taken = [("API", ports.api, stack.settings.api_port)]
    if stack.temporal is not None:
        taken.append(("Temporal", ports.temporal, stack.temporal.port))
        taken.append(("Temporal UI", ports.temporal_ui, stack.temporal.ui_port or 0))
    if stack.inbox is not None:
        taken.append(("Inbox", ports.inbox, stack.inbox.http_port))
        taken.append(("SMTP", ports.smtp, stack.inbox.smtp_port))
    taken.append(("Shop", ports.shop, stack.shop.port))
    if stack.postgres is not None:
        taken.append(("PostgreSQL", ports.postgres, stack.postgres.port))
    for part, wished, port in taken:
        if port != wished:
            yield f"{part}: port {port} instead of {wished}."


def _unbound_secrets(secrets: Mapping[str, BoundSecret]) -> Iterator[str]:
    for name, secret in secrets.items():
        if not secret.hosts:
            yield f"The secret {name} {describe_unbound(name)}."


def _time(now: datetime, ahead: timedelta, folder: Path) -> Iterator[str]:
    if ahead >= MIN_AHEAD:
        by = number_of(ahead.days, "day") if ahead.days else format_duration(round(ahead.total_seconds()))
        yield f"It is {now.astimezone():%Y-%m-%d %H:%M} here, {by} ahead (`sojourn dev forward`)."
        yield f"Remove {folder} to begin anew."
