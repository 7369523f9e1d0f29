"""sojourn lifecycle flow and diff: the life cycle as designed and as it is lived."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.client import connect
from cli.lifecycle_chart import draw_flow
from cli.options import AsJson
from cli.output import number_of, people_text, print_json, print_table, printable
from domain.people.stage_flow import format_share, format_stay

_DAY = "%Y-%m-%d"
_NO_MOVES = "No one has moved yet: people are judged from the first apply on, and what was before does not count"

FromOption = Annotated[
    datetime | None, typer.Option("--from", formats=[_DAY], help="The first day, UTC: 30 days ago.", show_default=False)
]
ToOption = Annotated[
    datetime | None, typer.Option("--to", formats=[_DAY], help="The day after the last, UTC: now.", show_default=False)
]
SvgOption = Annotated[
    Path | None, typer.Option("--svg", metavar="FILE", help="Draw the flow into a file.", show_default=False)
]


def add_lifecycle_commands(app: typer.Typer) -> None:
    """Add the commands about the moves of people to those of the document."""
    app.command("flow")(show_flow)
    app.command("diff")(show_differences)


def show_flow(
    context: typer.Context,
    begin: FromOption = None,
    end: ToOption = None,
    svg: SvgOption = None,
    as_json: AsJson = False,
) -> None:
    """Show how many people move between which stages, and after which messages."""
    flow = _read(context, begin, end, svg)
    if as_json:
        print_json(flow)
        return
    typer.echo(_headline(flow))
    if not flow["moves"] and not flow["entered"]:
        typer.echo(_NO_MOVES)
        return
    columns = ["FROM", "TO", "PEOPLE", "SHARE", "MEDIAN", "DESIGNED", "LAST MESSAGES BEFORE"]
    print_table(columns, [_row(move) for move in flow["moves"]], folded={"LAST MESSAGES BEFORE"})
    if flow["entered"]:
        entered = ", ".join(f"{people:,} in {stage}" for stage, people in flow["entered"].items())
        typer.echo(printable(f"New people: {entered}"))


def show_differences(
    context: typer.Context,
    begin: FromOption = None,
    end: ToOption = None,
    svg: SvgOption = None,
    as_json: AsJson = False,
) -> None:
    """Show where people leave the designed life cycle, the most frequent first."""
    flow = _read(context, begin, end, svg)
    if as_json:
        print_json({name: flow[name] for name in ("begin", "end", "designed_share", "deviations", "unused")})
        return
    typer.echo(_headline(flow))
    if not flow["moves"]:
        typer.echo(_NO_MOVES)
        return
    for move in flow["deviations"]:
        typer.echo(printable(f"  {move['text']} ({people_text(move['people'])}{_after_days(move)})"))
    for before, after in flow["unused"]:
        typer.echo(printable(f"  no one goes {before} > {after}, which is designed"))
    if not flow["deviations"] and not flow["unused"]:
        typer.echo("People live it as it is designed")


def _read(context: typer.Context, begin: datetime | None, end: datetime | None, svg: Path | None) -> dict[str, Any]:
    """Read the flow of a period, and draw it if there is a file for it."""
    with connect(context) as api:
        flow: dict[str, Any] = api.get("lifecycle", "flow", **{"from": _instant(begin), "to": _instant(end)})
    if svg is not None:
        svg.write_text(draw_flow(flow), encoding="utf-8")
    return flow


def _instant(day: datetime | None) -> str | None:
    return None if day is None else day.replace(tzinfo=UTC).isoformat()


def _headline(flow: dict[str, Any]) -> str:
    moves = number_of(sum(move["moves"] for move in flow["moves"]), "move")
    period = f"{flow['begin'][:10]} to {flow['end'][:10]}"
    share = flow["designed_share"]
    return f"{period}: {moves}" + ("" if share is None else f", {format_share(share)} as designed")


def _row(move: dict[str, Any]) -> list[str]:
    messages = ", ".join(f"{one['campaign']}/{one['step']} {one['moves']:,}" for one in move["messages"])
    return [
        move["before"],
        move["after"],
        f"{move['people']:,}",
        format_share(move["share"]),
        "" if move["median_days"] is None else format_stay(move["median_days"]),
        "yes" if move["is_designed"] else "no",
        messages,
    ]


def _after_days(move: dict[str, Any]) -> str:
    return "" if move["median_days"] is None else f", after {format_stay(move['median_days'])} in the median"
