"""sojourn events seen and violations: events as they are reported."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from cli.client import connect
from cli.options import AfterOption, AsJson, LimitOption
from cli.output import as_text, local_second, print_json, print_next, print_table, printable

_DAYS = 7

SourceOption = Annotated[str | None, typer.Option(help="The source of the key.", show_default=False)]


def add_event_commands(app: typer.Typer) -> None:
    """Add the commands about reported events to those of the document."""
    app.command("seen")(list_seen)
    app.command("violations")(list_violations)


def list_seen(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="The name of an event, for its properties.", show_default=False)
    ] = None,
    source: SourceOption = None,
    limit: LimitOption = 100,
    after: AfterOption = None,
    as_json: AsJson = False,
) -> None:
    """Show the events that are reported, or the properties of one."""
    with connect(context) as api:
        page = api.get("schema", name=name, source=source, limit=limit, after=after)
    if as_json:
        print_json(page)
    elif name is None:
        print_table(
            ["SOURCE", "TYPE", "NAME", "COUNT", "IN 7 DAYS", "LAST"], [_event_row(one) for one in page["events"]]
        )
        print_next(page)
    elif after is None and not page["events"]:
        typer.echo(printable(f"No {name} was counted so far: `sojourn events seen` lists what was"), err=True)
    else:
        rows = [_property_row(one, each) for one in page["events"] for each in one["properties"]]
        print_table(["SOURCE", "TYPE", "PROPERTY", "COUNT", "TYPES", "EXAMPLE", "LAST"], rows)
        print_next(page)


def list_violations(
    context: typer.Context,
    source: SourceOption = None,
    name: Annotated[str | None, typer.Option(help="The name of the event.", show_default=False)] = None,
    limit: LimitOption = 100,
    as_json: AsJson = False,
) -> None:
    """Show how events departed from the declared ones in the last 30 days."""
    with connect(context) as api:
        found = api.get("schema", "violations", source=source, name=name, limit=limit)
    if as_json:
        print_json(found)
        return
    rows = [
        [
            one["source"],
            one["type"],
            as_text(one["name"]),
            one["message"],
            f"{one['count']:,}",
            local_second(one["last_at"]),
            one["last_event_id"],
        ]
        for one in found["violations"]
    ]
    print_table(["SOURCE", "TYPE", "NAME", "VIOLATION", "COUNT", "LAST", "EVENT"], rows, folded={"VIOLATION"})


def _event_row(event: dict[str, Any]) -> list[str]:
    since = (datetime.now(UTC) - timedelta(days=_DAYS)).date().isoformat()
    recent = sum(number for day, number in event["days"].items() if day >= since)
    name = "(all others)" if event["is_rest"] else as_text(event["name"])
    count = f"{event['count']:,}"
    return [event["source"], event["type"], name, count, f"{recent:,}", local_second(event["last_at"])]


def _property_row(event: dict[str, Any], one: dict[str, Any]) -> list[str]:
    types = ", ".join(f"{type} {number:,}" for type, number in sorted(one["types"].items()))
    count, last = f"{one['count']:,}", local_second(one["last_at"])
    return [event["source"], event["type"], one["path"], count, types, as_text(one["example"]), last]
