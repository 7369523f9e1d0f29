"""sojourn audit: the audit log."""

from typing import Annotated

import typer

from cli.client import connect
from cli.options import AfterOption, AsJson, LimitOption
from cli.output import list_text, local_second, print_json, print_next, print_table


def audit(
    context: typer.Context,
    target: Annotated[
        str | None, typer.Option(help="Target of the action: a campaign's key, a journey's id …", show_default=False)
    ] = None,
    actor: Annotated[str | None, typer.Option(help="The id of the key that did it.", show_default=False)] = None,
    limit: LimitOption = 50,
    after: AfterOption = None,
    as_json: AsJson = False,
) -> None:
    """Show who did what, the latest first."""
    with connect(context) as api:
        page = api.get("audit-log", target=target, actor=actor, limit=limit, after=after)
    if as_json:
        print_json(page)
        return
    rows = [
        [
            local_second(each["at"]),
            each["actor_name"],
            each["action"],
            each["target"],
            list_text(each["data"]),
        ]
        for each in page["entries"]
    ]
    print_table(["TIME", "WHO", "WHAT", "TO WHAT", "DETAILS"], rows, folded={"DETAILS"})
    print_next(page)
