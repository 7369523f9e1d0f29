"""sojourn users merge: make one person of two users, and undo it."""

from typing import Annotated, Any

import typer

from cli.client import connect
from cli.options import AsJson
from cli.output import number_of, print_json, printable


def merge(
    context: typer.Context,
    user: Annotated[str, typer.Argument(help="The user id that stays.", show_default=False)],
    source: Annotated[
        str, typer.Option("--from", metavar="OTHER", help="The user id that is merged into it.", show_default=False)
    ],
    undo: Annotated[bool, typer.Option("--undo", help="Make two people of them again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Merge a user into another one, or undo that; both ids keep working."""
    with connect(context) as api:
        if undo:
            result = api.delete("users", user, "merges", source)
        else:
            result = api.post("users", user, "merges", body={"from": source})
    if as_json:
        print_json(result)
        return
    lines = _describe_undo(result) if undo else _describe_merge(result)
    for line in lines:
        typer.echo(printable(line))


def _describe_merge(result: dict[str, Any]) -> list[str]:
    lines = [f"{result['merge']['source']} was merged into {result['target']}; --undo separates them again"]
    if ended := result["ended_journeys"]:
        lines.append(f"{number_of(len(ended), 'journey')} ended, since {result['target']} is in the same campaign")
    lines += [
        f"{each['campaign']}, {each['step']}: took several arms: {', '.join(each['arms'])}"
        for each in result["contaminated"]
    ]
    return lines + [f"left out: {each['part']}: {each['error']}" for each in result["left_out"]]


def _describe_undo(result: dict[str, Any]) -> list[str]:
    lines = [f"{result['source']} and {result['target']} are two people again"]
    if ended := result["not_resumed"]:
        lines.append(f"{number_of(len(ended), 'journey')} that the merge had ended stay ended: {', '.join(ended)}")
    return lines
