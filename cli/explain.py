"""sojourn explain: the timeline of a user."""

from typing import Annotated, Any, Final

import typer

from cli.client import connect
from cli.options import AsJson, LimitOption
from cli.output import as_text, print_json, print_table, printable, utc_second
from domain.tracking.event import SOJOURN_SOURCE

TIME = "TIME (UTC)"

# Beside its message a report has the step of a tour, a click, the reason of a failure, or a bounce.
_SAID: Final = ("message_step", "action", "link", "reason", "bounce")


def explain(
    context: typer.Context,
    user: Annotated[str, typer.Argument(help="The user id that your events carry.", show_default=False)],
    limit: LimitOption = 100,
    before: Annotated[str | None, typer.Option(help="Go on from where the last answer stopped.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show a user's events, decisions with reasons, messages, exits and positions."""
    with connect(context) as api:
        timeline = api.get("users", user, "timeline", limit=limit, before=before)
    if as_json:
        print_json(timeline)
        return
    print_timeline(timeline["items"])
    if before is None:
        for each in timeline["now"]:
            typer.echo(printable(f"now: {each['summary'] or _describe_masked(each)}"))
        if not timeline["now"]:
            typer.echo("now: in no campaign")
    if timeline["next"]:
        typer.echo(printable(f"There are earlier ones: --before {timeline['next']}"), err=True)


def print_timeline(items: list[dict[str, Any]], *, is_of_one: bool = False) -> None:
    """Print one line an entry in UTC, with one link for each journey below."""
    if is_of_one:
        print_table([TIME, "WHAT"], [[utc_second(item["at"]), _describe(item)] for item in items], folded={"WHAT"})
        return
    urls = list(dict.fromkeys(item["url"] for item in items if item["url"]))
    # The long texts stand last, so that they widen no column.
    print_table([TIME, "CAMPAIGN", "LINK", "WHAT"], [_row(item, urls) for item in items], folded={"WHAT"})
    for number, url in enumerate(urls, 1):
        typer.echo(printable(f"[{number}] {url}"))


def _row(item: dict[str, Any], urls: list[str]) -> list[str]:
    link = f"[{urls.index(item['url']) + 1}]" if item["url"] else ""
    return [utc_second(item["at"]), as_text(item["campaign"]), link, _describe(item)]


def _describe(item: dict[str, Any]) -> str:
    """Describe an entry; the reason's name is added unless the summary has it."""
    said = item["summary"] or _describe_masked(item)
    text, reason = f"{item['kind']}: {said}{_describe_report(item)}", as_text(item["reason"])
    if reason.replace("_", " ") not in text.replace("_", " "):
        text += f" ({reason})"
    changes = "; ".join(change["summary"] or change["part"] for change in item["changes"])
    return f"{text} ({changes})" if changes else text


def _describe_masked(item: dict[str, Any]) -> str:
    """Describe an entry by what is not personal, where its summary is masked."""
    return " ".join(filter(None, (item["step"], item.get("outcome") or item.get("status")))) or "masked"


def _describe_report(item: dict[str, Any]) -> str:
    """Name the message of a report and what it says, but not the person's words."""
    data = item["data"] or {}
    said = data.get("properties", {})
    if item["kind"] != "event" or data.get("source") != SOJOURN_SOURCE or "step" not in said:
        return ""
    message = f"{said['step']} of {said['campaign']}" if said["campaign"] else said["template"]
    grade = said.get("score", said.get("value"))
    chosen = said.get("values", [] if grade is None else [grade])
    answer = " ".join(map(str, [said["question"], *chosen])) if "question" in said else ""
    details = (answer, *(as_text(said.get(key)) for key in _SAID))
    return f" ({', '.join([message, *filter(None, details)])})"
