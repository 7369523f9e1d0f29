"""sojourn deliverability: numbers by provider and domain, and pauses of marketing."""

from typing import Annotated, Any

import typer

from cli.client import connect
from cli.options import AsJson
from cli.output import local_minute, print_json, print_table, printable
from domain.sending.deliverability import describe_rate

app = typer.Typer(help="Show what becomes of messages, and resume paused marketing.")


@app.callback(invoke_without_command=True)
def deliverability(
    context: typer.Context,
    days: Annotated[int, typer.Option(min=1, max=30, help="How many days back.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Show messages by provider and recipient domain, and paused marketing.

    Bounces are shares of the messages sent, complaints, openings and clicks of those delivered.
    """
    if context.invoked_subcommand is not None:
        return
    with connect(context) as api:
        found = api.get("deliverability", days=days)
    if as_json:
        print_json(found)
        return
    columns = ["PROVIDER", "DOMAIN", "SENT", "DELIVERED", "HARD", "REFUSED", "SOFT", "COMPLAINED", "OPENED", "CLICKED"]
    print_table(columns, [_row(each) for each in found["numbers"]])
    for pause in (each for each in found["pauses"] if each["resumed_at"] is None):
        typer.echo(printable(_describe(pause)))
        typer.echo(printable(f"Resume it: sojourn deliverability resume {pause['provider']}"))


@app.command()
def resume(
    context: typer.Context,
    provider: Annotated[str, typer.Argument(metavar="PROVIDER", help="The provider.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Resume the marketing of a provider: the messages that wait for it go on."""
    with connect(context) as api:
        state = api.post("deliverability", provider, "resume")
    if as_json:
        print_json(state)
        return
    if (pause := state["pause"]) is None:
        typer.echo(printable(f"marketing by {provider} was never paused"))
    else:
        typer.echo(printable(f"marketing by {provider} goes on since {local_minute(pause['resumed_at'])}"))


def _row(numbers: dict[str, Any]) -> list[str]:
    names = ("delivered", "hard_bounced", "refused", "soft_bounced", "complained", "opened", "clicked")
    shares = [_share(numbers[name], numbers["rates"][name]) for name in names]
    return [numbers["provider"], numbers["domain"] or "-", f"{numbers['sent']:,}", *shares]


def _share(number: int, rate: float | None) -> str:
    return f"{number:,}" if rate is None else f"{number:,} ({rate:.2%})"


def _describe(pause: dict[str, Any]) -> str:
    rate = describe_rate(pause["cause"], pause["number"], pause["messages"], pause["limit"])
    return f"marketing by {pause['provider']} is paused since {local_minute(pause['paused_at'])}: {rate}"
