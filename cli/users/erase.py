"""sojourn users erase: a person, with all that is stored of them."""

from typing import Annotated

import typer

from cli.client import connect
from cli.operation_progress import watch_operations
from cli.operations import check_done, tell_operation
from cli.options import AsJson, Yes
from cli.output import confirm, print_json
from cli.users.options import ChangedPersonArgument, KindOption

WaitOption = Annotated[bool, typer.Option("--wait", help="Wait until all is deleted.")]


def erase(
    context: typer.Context,
    user: ChangedPersonArgument,
    kind: KindOption = None,
    yes: Yes = False,
    wait: WaitOption = False,
    as_json: AsJson = False,
) -> None:
    """Erase a person: journeys end at once, and an operation does the rest."""
    with connect(context) as api:
        if not yes:
            confirm(f"Erase {user} on {api.url}, with all that is stored of them, for good?")
        operation = api.delete("users", user, kind=kind)
        if wait:
            [operation] = watch_operations(api, [operation], quiet=as_json)
    if as_json:
        print_json(operation)
    elif not wait:
        tell_operation(operation)
    if wait:
        check_done([operation])
