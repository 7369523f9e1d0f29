"""sojourn messages: retry failed messages."""

from datetime import datetime
from typing import Annotated, Any

import typer

from cli.client import connect
from cli.operation_progress import watch_operations
from cli.operations import check_done, tell_operation
from cli.options import AsJson, CampaignOption, WatchOption, Yes, parse_instant
from cli.output import as_text, confirm, counts_text, is_asked, number_of, print_json, print_table, printable

app = typer.Typer(help="Retry failed messages.", no_args_is_help=True)


@app.callback()
def messages() -> None:
    """Retry failed messages."""


@app.command()
def retry(
    context: typer.Context,
    campaign: CampaignOption = None,
    step: Annotated[str | None, typer.Option(help="Only those of this step.", show_default=False)] = None,
    channel: Annotated[str | None, typer.Option(help="Only those of this channel.", show_default=False)] = None,
    provider: Annotated[str | None, typer.Option(help="Only those that it had.", show_default=False)] = None,
    reason: Annotated[
        str | None, typer.Option(help="Only those that failed for it, such as template_error.", show_default=False)
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(parser=parse_instant, metavar="INSTANT", help="Failed from this instant on.", show_default=False),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(parser=parse_instant, metavar="INSTANT", help="Failed before this instant.", show_default=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show how many it would be.")] = False,
    watch: WatchOption = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Retry failed messages through the gate: its consents, caps and expiry hold."""
    given = {
        "campaign": campaign,
        "step": step,
        "channel": channel,
        "provider": provider,
        "reason": reason,
        "since": since and since.astimezone().isoformat(),
        "until": until and until.astimezone().isoformat(),
    }
    which = {name: value for name, value in given.items() if value is not None}
    with connect(context) as api:
        if dry_run or (not yes and is_asked()):
            plan = api.ask("messages", "retry", body={**which, "dry_run": True})
            if dry_run and as_json:
                print_json(plan)
                return
            _show(plan)
            if dry_run:
                return
            confirm(f"Retry {number_of(plan['retried'], 'message')} on {api.url}?")
        operation = api.post("messages", "retry", body=which)
        if watch:
            [operation] = watch_operations(api, [operation], quiet=as_json)
    if as_json:
        print_json(operation)
    elif not watch:
        tell_operation(operation)
    check_done([operation])


def _show(plan: dict[str, Any]) -> None:
    others = f"; not retried: {counts_text(plan['not_retried'])}" if plan["not_retried"] else ""
    typer.echo(printable(f"{number_of(plan['failed'], 'failed message')}, {plan['retried']} to retry{others}"))
    rows = [
        [
            each["campaign"],
            each["step"],
            as_text(each["reason"]),
            as_text(each["provider"]),
            str(each["messages"]),
            each["obstacle"] or "retry",
        ]
        for each in plan["groups"]
    ]
    if rows:
        print_table(["CAMPAIGN", "STEP", "REASON", "PROVIDER", "MESSAGES", "PLAN"], rows)
