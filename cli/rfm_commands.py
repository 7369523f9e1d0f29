"""sojourn rfm scores and recompute: the scores of buyers."""

from typing import Annotated, Any

import typer

from cli.client import connect
from cli.operation_progress import watch_operations
from cli.operations import check_done, tell_operation
from cli.options import AsJson
from cli.output import local_second, number_of, print_json, print_table, printable

_DaysOption = Annotated[int, typer.Option(min=1, max=366, help="Moves of so many days.")]
_WaitOption = Annotated[bool, typer.Option("--wait", help="Wait until the breakpoints are computed.")]
_SCORES = (5, 4, 3, 2, 1)


def add_rfm_commands(app: typer.Typer) -> None:
    """Add the commands about scores to those of the document."""
    app.command("scores")(show_scores)
    app.command("recompute")(recompute)


def show_scores(context: typer.Context, days: _DaysOption = 7, as_json: AsJson = False) -> None:
    """Show the segments of buyers, the buyers by scores, and who moved where."""
    with connect(context) as api:
        found = api.get("rfm", "scores", days=days)
    if as_json:
        print_json(found)
        return
    if found["refusal"] is not None:
        typer.echo(printable(f"No scores: {found['refusal']}"))
        return
    typer.echo(f"{number_of(found['buyers'], 'buyer')}, scored as of {local_second(found['as_of'])}")
    for part, points in found["breakpoints"].items():
        typer.echo(f"  {part}: {_write_points(points)}")
    typer.echo()
    columns = ["SEGMENT", "RECENCY", "FREQUENCY", "PEOPLE", "AVERAGE SPENT"]
    print_table(columns, [_segment_row(segment) for segment in found["segments"]])
    typer.echo()
    people = {(cell["recency"], cell["frequency"]): cell["people"] for cell in found["cells"]}
    print_table(
        ["RECENCY", *(f"FREQUENCY {frequency}" for frequency in reversed(_SCORES))],
        [[str(one), *(f"{people.get((one, other), 0):,}" for other in reversed(_SCORES))] for one in _SCORES],
    )
    if found["moves"]:
        typer.echo()
        rows = [[move["before"] or "(none)", move["after"], f"{move['people']:,}"] for move in found["moves"]]
        print_table(["FROM", "TO", "PEOPLE"], rows)


def recompute(context: typer.Context, wait: _WaitOption = False, as_json: AsJson = False) -> None:
    """Compute the breakpoints now, without waiting for midnight."""
    with connect(context) as api:
        operation = api.post("rfm", "recompute")
        if wait:
            [operation] = watch_operations(api, [operation], quiet=as_json)
    if as_json:
        print_json(operation)
    elif not wait:
        tell_operation(operation)
    if wait:
        check_done([operation])


def _write_points(points: list[float] | None) -> str:
    return "too equal for scores" if points is None else ", ".join(f"{point:,}" for point in points)


def _segment_row(segment: dict[str, Any]) -> list[str]:
    average = segment["average_spent"]
    return [
        segment["key"],
        _write_range(segment["recency"]),
        _write_range(segment["frequency"]),
        f"{segment['people']:,}",
        "" if average is None else f"{average:,.2f}",
    ]


def _write_range(scores: list[int]) -> str:
    return str(scores[0]) if scores[0] == scores[1] else f"{scores[0]}-{scores[1]}"
