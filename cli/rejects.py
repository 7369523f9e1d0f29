"""sojourn rejects: refused calls and parts of calls."""

from enum import StrEnum
from typing import Annotated

import typer

from cli.client import connect
from cli.options import AfterOption, AsJson, LimitOption
from cli.output import as_text, local_second, print_json, print_next, print_table


class OutcomeOption(StrEnum):
    """The filter of outcomes."""

    REFUSED = "refused"
    LEFT_OUT = "left_out"


def rejects(
    context: typer.Context,
    user: Annotated[
        str | None, typer.Option(help="The user id or anonymous id that the call names.", show_default=False)
    ] = None,
    source: Annotated[str | None, typer.Option(help="The source of the key.", show_default=False)] = None,
    outcome: Annotated[
        OutcomeOption | None, typer.Option(help="Whole calls, or parts left out of accepted ones.", show_default=False)
    ] = None,
    limit: LimitOption = 50,
    after: AfterOption = None,
    as_json: AsJson = False,
) -> None:
    """Show refused calls and parts left out, the latest first, of the last 30 days."""
    with connect(context) as api:
        page = api.get("rejects", user_id=user, source=source, outcome=outcome, limit=limit, after=after)
    if as_json:
        print_json(page)
        return
    rows = [
        [
            local_second(each["received_at"]),
            as_text(each["user_id"] or each["anonymous_id"]),
            each["outcome"].replace("_", " "),
            _describe_reason(as_text(each["error"]), each["unrecorded"]),
            as_text(each["message_id"]),
            as_text(each["body"]),
        ]
        for each in page["rejects"]
    ]
    print_table(["TIME", "USER", "WHAT", "WHY", "MESSAGE ID", "BODY"], rows, folded={"WHY", "BODY"})
    print_next(page)


def _describe_reason(error: str, unrecorded: int) -> str:
    return f"{error} (and {unrecorded:,} more in this request)" if unrecorded else error
