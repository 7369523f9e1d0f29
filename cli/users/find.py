"""sojourn users find: people by id, address, trait, stage or segment."""

from typing import Annotated, Any

import typer

from cli.client import connect
from cli.options import AfterOption, AsJson, LimitOption
from cli.output import as_text, local_second, print_json, print_next, print_table


def find(
    context: typer.Context,
    id: Annotated[str | None, typer.Option(help="An id of any kind.", show_default=False)] = None,
    address: Annotated[
        str | None, typer.Option(help="An address, such as an e-mail address.", show_default=False)
    ] = None,
    trait: Annotated[str | None, typer.Option(metavar="NAME=VALUE", help="A trait.", show_default=False)] = None,
    stage: Annotated[str | None, typer.Option(help="The lifecycle stage.", show_default=False)] = None,
    segment: Annotated[str | None, typer.Option(help="The key of a segment.", show_default=False)] = None,
    limit: LimitOption = 50,
    after: AfterOption = None,
    as_json: AsJson = False,
) -> None:
    """Find people by all that is given, the newest first.

    Traits and stages have no index: all people are examined, page by page.
    """
    name, value = _trait(trait)
    users: list[dict[str, Any]] = []
    with connect(context) as api:
        while True:
            page = api.get(
                "users",
                id=id,
                address=address,
                trait=name,
                value=value,
                stage=stage,
                segment=segment,
                limit=limit - len(users),
                after=after,
            )
            users += page["users"]
            after = page["next"]
            if after is None or len(users) == limit:
                break
    found = {"users": users, "next": after}
    if as_json:
        print_json(found)
        return
    rows = [
        [
            as_text(each["user_id"] or each["anonymous_id"]),
            ", ".join(filter(None, each["addresses"].values())),
            as_text(each["stage"]),
            local_second(each["created_at"]),
            each["id"],
        ]
        for each in users
    ]
    print_table(["USER", "ADDRESSES", "STAGE", "KNOWN SINCE", "PROFILE"], rows)
    print_next(found)


def _trait(given: str | None) -> tuple[str | None, str | None]:
    if given is None:
        return None, None
    name, is_given, value = given.partition("=")
    if not is_given:
        raise typer.BadParameter("write NAME=VALUE, as plan=pro", param_hint="--trait")
    return name, value
