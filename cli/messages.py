"""sojourn messages: send a single message, show one, and retry failed ones."""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from cli.client import connect
from cli.documents import read_text
from cli.explain import print_timeline
from cli.operation_progress import watch_operations
from cli.operations import check_done, tell_operation
from cli.options import AsJson, CampaignOption, WatchOption, Yes, parse_instant
from cli.output import (
    as_text,
    confirm,
    counts_text,
    is_asked,
    local,
    number_of,
    print_facts,
    print_json,
    print_table,
    printable,
)
from domain.errors import InvalidRequestError

app = typer.Typer(help="Send a single message, show one, or retry failed ones.", no_args_is_help=True)

_REPORTS = {
    "delivered_at": "Delivered",
    "opened_at": "Opened",
    "clicked_at": "Clicked",
    "bounced_at": "Bounced",
    "complained_at": "Complained",
    "replied_at": "Replied",
    "dismissed_at": "Dismissed",
}


@app.command()
def send(
    context: typer.Context,
    template: Annotated[str, typer.Argument(help="The name of a published template.", show_default=False)],
    user: Annotated[str | None, typer.Option(help="The recipient's user id.", show_default=False)] = None,
    to: Annotated[str | None, typer.Option("--to", help="Or the recipient's address.", show_default=False)] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="FILE", help="The template's values: a JSON object.", show_default=False),
    ] = None,
    value: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=TEXT", help="One more value, a text.", show_default=False),
    ] = None,
    channel: Annotated[str, typer.Option(help="The channel of the template.")] = "email",
    category: Annotated[
        str | None, typer.Option(help="Another category than the template's.", show_default=False)
    ] = None,
    expires: Annotated[str, typer.Option(help="Send it no later than this: 15m, 6h.")] = "7d",
    as_json: AsJson = False,
) -> None:
    """Send one message to a user or an address. Status 1: the gate has refused it."""
    if (user is None) == (to is None):
        raise typer.BadParameter("a message is to one --user or --to: name one of them")
    body: dict[str, Any] = {
        "template": {"channel": channel, "name": template},
        "data": {**_read_data(data), **_read_values(value or [])},
        "expires": expires,
    }
    given = {"user_id": user, "address": to, "category": category}
    body |= {name: each for name, each in given.items() if each is not None}
    with connect(context) as api:
        requested = api.post("messages", body=body)
    if as_json:
        print_json(requested)
    else:
        why = f": {requested['reason']}" if requested["reason"] else ""
        until = f" until {local(requested['until'])}" if requested["until"] else ""
        typer.echo(printable(f"message {requested['id']} is {requested['state']}{until}{why}"))
    if requested["state"] == "refused":
        raise typer.Exit(1)


@app.command()
def show(
    context: typer.Context,
    id: Annotated[UUID, typer.Argument(metavar="ID", help="The message.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Show one message, single or of a campaign: its state, its reports, and why."""
    with connect(context) as api:
        message = api.get("messages", str(id))
    if as_json:
        print_json(message)
        return
    source = message["campaign"] and f"{message['campaign']}, step {message['step']}"
    print_facts(
        {
            "Message": message["id"],
            "Template": f"{message['template']} on {message['channel']}, {message['category']}",
            "Campaign": as_text(source),
            "User": as_text(message["user_id"]),
            "State": message["state"] + (f": {message['reason']}" if message["reason"] else ""),
            "Detail": as_text(message["detail"]),
            "Until": local(message["until"]),
            "Provider": as_text(message["provider"]),
            "Its id": as_text(message["provider_id"]),
            "Requested": local(message["requested_at"]),
            "Settled": local(message["settled_at"]),
            **{name: local(message["reports"][field]) for field, name in _REPORTS.items()},
        }
    )
    if message["explanation"]:
        typer.echo()
        print_timeline(message["explanation"], is_of_one=True)


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
            _show_plan(plan)
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


def _show_plan(plan: dict[str, Any]) -> None:
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


def _read_data(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        data = json.loads(read_text(file))
    except ValueError as error:
        raise InvalidRequestError(f"{file} is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise InvalidRequestError(f'{file} must hold a JSON object, such as {{"code": "4711"}}')
    return data


def _read_values(given: list[str]) -> dict[str, str]:
    values = {}
    for each in given:
        name, separator, text = each.partition("=")
        if not name or not separator:
            raise typer.BadParameter(f"`{each}` is not NAME=TEXT")
        values[name] = text
    return values
