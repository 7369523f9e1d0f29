"""sojourn rfm scores, recompute and value: the scores of buyers and their value."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec import convert, to_builtins

from cli.client import connect
from cli.exit_codes import DONE, REFUSED
from cli.extras import insights_extra
from cli.operation_progress import watch_operations
from cli.operations import check_done, tell_operation
from cli.options import AsJson
from cli.output import local_second, number_of, print_json, print_table, printable
from domain.people.rfm.value import BuyerOrders

if TYPE_CHECKING:
    from cli.insights.backtest import BackTest

_DaysOption = Annotated[int, typer.Option(min=1, max=366, help="Moves of so many days.")]
_SampleOption = Annotated[int, typer.Option(min=1, max=50_000, help="How many buyers to draw at random.")]
_KeepOption = Annotated[bool, typer.Option("--keep", help="Show users by it if it passes the test.")]
_WaitOption = Annotated[bool, typer.Option("--wait", help="Wait until the breakpoints are computed.")]
_SCORES = (5, 4, 3, 2, 1)


def add_rfm_commands(app: typer.Typer) -> None:
    """Add the commands about scores to those of the document."""
    app.command("scores")(show_scores)
    app.command("recompute")(recompute)
    app.command("value")(fit_value)


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


def fit_value(
    context: typer.Context, sample: _SampleOption = 20_000, keep: _KeepOption = False, as_json: AsJson = False
) -> None:
    """Fit a model of the value of buyers, and test it on their latest orders.

    It is refused, with status 1, where the test fails. Needs the extra `insights`.
    """
    with insights_extra("rfm value"):
        from cli.insights.backtest import backtest
    with connect(context) as api:
        found = api.get("rfm", "orders", sample=sample)
        tested = backtest(convert(found["buyers"], list[BuyerOrders]), found["window_days"])
        if keep and tested.model is not None:
            api.put("rfm", "model", body={"as_of": found["as_of"], **to_builtins(tested.model)})
    if as_json:
        print_json({"as_of": found["as_of"], "buyers": len(found["buyers"]), **to_builtins(tested)})
    else:
        _print_test(tested, len(found["buyers"]))
        if tested.model is not None:
            typer.echo("Kept: `sojourn users show` has it" if keep else "Not kept: --keep shows it to users")
    raise typer.Exit(DONE if tested.refusal is None else REFUSED)


def _print_test(tested: "BackTest", buyers: int) -> None:
    if tested.groups:
        rows = [[f"{one.buyers:,}", f"{one.expected:,.0f}", f"{one.actual:,}"] for one in tested.groups]
        print_table(["BUYERS", "EXPECTED", "ACTUAL"], rows)
    if tested.model is None:
        typer.echo(printable(f"No model of {number_of(buyers, 'buyer')}: {tested.refusal}"))
        return
    orders, spend = tested.model.orders, tested.model.spend
    typer.echo(f"orders: r {orders.r:.3f}, alpha {orders.alpha:.3f}, a {orders.a:.3f}, b {orders.b:.3f}")
    typer.echo(f"value: p {spend.p:.3f}, q {spend.q:.3f}, gamma {spend.gamma:.3f}")


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
