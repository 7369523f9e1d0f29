"""sojourn accounts: an account with its members."""

from typing import Annotated, Any

import typer

from cli.client import connect
from cli.options import AfterOption, AsJson, LimitOption
from cli.output import as_text, local_second, print_facts, print_json, print_next, print_table
from cli.users.show import stated_cells

app = typer.Typer(no_args_is_help=True, help="Show accounts: the groups that people are members of.")


@app.callback()
def accounts() -> None:
    """Show accounts: the groups that people are members of."""


@app.command()
def show(
    context: typer.Context,
    account: Annotated[str, typer.Argument(help="The groupId of its calls.")],
    role: Annotated[str | None, typer.Option(help="List only the members of this role.", show_default=False)] = None,
    limit: LimitOption = 50,
    after: AfterOption = None,
    as_json: AsJson = False,
) -> None:
    """Show an account: its traits with their sources, and a page of its members."""
    with connect(context) as api:
        found = api.get("accounts", account)
        page = api.get("accounts", account, "members", role=role, limit=limit, after=after)
    if as_json:
        print_json({"account": found, **page})
        return
    print_facts(
        {
            "account": found["id"],
            "members": f"{found['members']:,}",
            "known since": local_second(found["created_at"]),
        }
    )
    if found["traits"]:
        typer.echo()
        rows = [[name, *stated_cells(each)] for name, each in found["traits"].items()]
        print_table(["TRAIT", "VALUE", "STATED AT", "BY"], rows, folded={"VALUE"})
    if page["members"]:
        typer.echo()
        print_table(["MEMBER", "ROLE", "STATED AT"], [_member_row(each) for each in page["members"]])
        print_next(page)


def _member_row(member: dict[str, Any]) -> list[str]:
    name = member["user_id"] or member["anonymous_id"] or member["profile_id"]
    return [name, as_text(member["role"]), local_second(member["stated_at"])]
