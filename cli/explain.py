"""sojourn explain: what happened to one user, and why."""

from typing import Annotated, Any

import typer

from cli.client import connect
from cli.options import AsJson, Limit
from cli.printing import local, print_json, print_table, printable, told


def explain(
    context: typer.Context,
    user: Annotated[str, typer.Argument(help="The user id that your events carry.", show_default=False)],
    limit: Limit = 100,
    before: Annotated[str | None, typer.Option(help="Go on from where the last answer stopped.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what happened to a user and why: events, decisions, messages, exits, in order."""
    with connect(context) as api:
        timeline = api.get("users", user, "timeline", limit=limit, before=before)
    if as_json:
        print_json(timeline)
        return
    print_timeline(timeline["items"])
    if timeline["next"]:
        typer.echo(printable(f"There are earlier ones: --before {timeline['next']}"), err=True)


def print_timeline(items: list[dict[str, Any]]) -> None:
    """One line an entry; their links below, since they are long and many share one."""
    urls = list(dict.fromkeys(item["url"] for item in items if item.get("url")))
    print_table(["TIME", "WHAT", "CAMPAIGN", "STEP", "WHY", "LINK"], [_row(item, urls) for item in items])
    for number, url in enumerate(urls, 1):
        typer.echo(printable(f"[{number}] {url}"))


def _row(item: dict[str, Any], urls: list[str]) -> list[str]:
    link = f"[{urls.index(item['url']) + 1}]" if item.get("url") else ""
    what = f"{item['kind']}: {item['summary']}"
    return [local(item["at"]), what, told(item["campaign"]), told(item["step"]), told(item["reason"]), link]
