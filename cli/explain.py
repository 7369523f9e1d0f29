"""sojourn explain: what happened to one user, and why."""

from typing import Annotated, Any

import typer

from cli.campaign import AsJson
from cli.client import ApiClient
from cli.printing import local, print_json, print_table, printable
from cli.target import find_target


def explain(
    user: Annotated[str, typer.Argument(help="The user id that your events carry.", show_default=False)],
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many entries, the latest ones.")] = 100,
    before: Annotated[str | None, typer.Option(help="Go on from where the last answer stopped.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what happened to a user and why: events, decisions, messages, exits, in order."""
    with ApiClient(find_target()) as api:
        timeline = api.timeline(user, limit, before)
    if as_json:
        print_json(timeline)
        return
    items: list[dict[str, Any]] = timeline["items"]
    if not items:
        typer.echo(f"Nothing is known of {printable(user)}.")
        return
    urls = list(dict.fromkeys(item["url"] for item in items if item["url"]))
    print_table(["TIME", "WHAT", "CAMPAIGN", "STEP", "WHY", "LINK"], [_row(item, urls) for item in items])
    for number, url in enumerate(urls, 1):
        typer.echo(printable(f"[{number}] {url}"))
    if timeline["next"]:
        typer.echo(printable(f"Earlier entries: --before {timeline['next']}"))


def _row(item: dict[str, Any], urls: list[str]) -> list[str]:
    # Links are long and many entries share one: the table has their number, a list below it the address.
    link = f"[{urls.index(item['url']) + 1}]" if item["url"] else ""
    what = f"{item['kind']}: {item['summary']}"
    return [local(item["at"]), what, item["campaign"] or "", item["step"] or "", item["reason"] or "", link]
