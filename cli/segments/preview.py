"""sojourn segments preview, count: how many people would be in a segment."""

from typing import Annotated, Any

import typer

from cli.client import connect
from cli.operation_progress import watch_operations
from cli.operations import check_done, tell_operation
from cli.options import AsJson
from cli.output import print_json, printable

_WhereArgument = Annotated[
    str, typer.Argument(metavar="WHERE", help="A condition, as the `where` of a segment.", show_default=False)
]
_SampleOption = Annotated[int, typer.Option(min=100, max=50_000, help="How many people to draw at random.")]
_WaitOption = Annotated[bool, typer.Option("--wait", help="Wait until everyone is counted.")]


def preview(
    context: typer.Context, where: _WhereArgument, sample: _SampleOption = 20_000, as_json: AsJson = False
) -> None:
    """Estimate how many people would be in a segment, with examples."""
    with connect(context) as api:
        found = api.ask("segments", "preview", body={"where": where, "sample": sample})
    if as_json:
        print_json(found)
        return
    typer.echo(found["summary"])
    if found["examples"]:
        typer.echo(printable(f"for example {', '.join(map(_find_name, found['examples']))}"))
    for warning in found["warnings"]:
        typer.echo(printable(f"warning: {warning}"), err=True)


def count(context: typer.Context, where: _WhereArgument, wait: _WaitOption = False, as_json: AsJson = False) -> None:
    """Count everyone who would be in a segment, in an operation."""
    with connect(context) as api:
        operation = api.post("segments", "count", body={"where": where})
        if wait:
            [operation] = watch_operations(api, [operation], quiet=as_json)
    if as_json:
        print_json(operation)
    elif not wait:
        tell_operation(operation)
    if wait:
        check_done([operation])


def _find_name(person: dict[str, Any]) -> str:
    return str(person["user_id"] or person["anonymous_id"] or person["id"])
