"""sojourn surveys: the surveys of campaigns, their results and texts."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from cli.client import connect
from cli.options import AfterOption, AsJson, CampaignOption, LimitOption
from cli.output import as_text, local_second, number_of, print_json, print_next, print_table, printable

app = typer.Typer(no_args_is_help=True, help="List surveys, and show their results and texts.")

TemplateArgument = Annotated[str, typer.Argument(help="The template of the survey.", show_default=False)]
_DAY = "%Y-%m-%d"
AnsweredFromOption = Annotated[
    datetime | None, typer.Option("--from", formats=[_DAY], help="The first day, UTC.", show_default=False)
]
AnsweredBeforeOption = Annotated[
    datetime | None, typer.Option("--to", formats=[_DAY], help="The day after the last, UTC.", show_default=False)
]


class ByOption(StrEnum):
    """The properties by which answers are told apart."""

    CAMPAIGN = "campaign"
    VERSION = "version"
    ARM = "arm"
    SEGMENT = "segment"
    CHANNEL = "channel"


@app.command("list")
def list_all(context: typer.Context, as_json: AsJson = False) -> None:
    """List the surveys of all campaigns, with their answers of the last 30 days."""
    with connect(context) as api:
        found = api.get("surveys")
    if as_json:
        print_json(found)
        return
    rows = [
        [
            each["template"],
            each["campaign"],
            str(each["version"]),
            ", ".join(f"{question['id']} ({question['type']})" for question in each["questions"]),
            str(each["answered"]),
            local_second(each["last_answer_at"]) if each["last_answer_at"] else "",
        ]
        for each in found["surveys"]
    ]
    print_table(["SURVEY", "CAMPAIGN", "VERSION", "QUESTIONS", "ANSWERED", "LAST"], rows, folded={"QUESTIONS"})


@app.command()
def results(
    context: typer.Context,
    survey: TemplateArgument,
    campaign: CampaignOption = None,
    by: Annotated[ByOption | None, typer.Option(help="Tell the answers apart.", show_default=False)] = None,
    begin: AnsweredFromOption = None,
    end: AnsweredBeforeOption = None,
    as_json: AsJson = False,
) -> None:
    """Show the results of a survey in a period, by default the last 30 days."""
    with connect(context) as api:
        which = {
            "campaign": campaign,
            "by": None if by is None else by.value,
            "from": _instant(begin),
            "to": _instant(end),
        }
        found = api.get("surveys", survey, "results", **which)
    if as_json:
        print_json(found)
        return
    for number, group in enumerate(found["groups"]):
        if number:
            typer.echo()
        _show(group)
    if not found["groups"]:
        typer.echo("No message was shown.")


@app.command()
def texts(
    context: typer.Context,
    survey: TemplateArgument,
    question: Annotated[str | None, typer.Option(help="Only of this question.", show_default=False)] = None,
    campaign: CampaignOption = None,
    begin: AnsweredFromOption = None,
    end: AnsweredBeforeOption = None,
    limit: LimitOption = 50,
    after: AfterOption = None,
    as_json: AsJson = False,
) -> None:
    """List the texts that people wrote, the latest first."""
    with connect(context) as api:
        which = {
            "question": question,
            "campaign": campaign,
            "from": _instant(begin),
            "to": _instant(end),
            "limit": limit,
            "after": after,
        }
        page = api.get("surveys", survey, "texts", **which)
    if as_json:
        print_json(page)
        return
    rows = [
        [
            local_second(each["at"]),
            as_text(each["user_id"] or each["anonymous_id"]),
            each["question"],
            as_text(each["text"]),
        ]
        for each in page["texts"]
    ]
    print_table(["TIME", "USER", "QUESTION", "TEXT"], rows, folded={"TEXT"})
    print_next(page)


def _instant(day: datetime | None) -> str | None:
    return None if day is None else f"{day:{_DAY}}T00:00:00Z"


def _show(group: Mapping[str, Any]) -> None:
    name = f"{group['group']}: " if group["group"] else ""
    rate = group["response_rate"]
    said = "" if rate is None else f" ({_percent(rate)})"
    typer.echo(printable(f"{name}{number_of(group['shown'], 'message')} shown, {group['answered']} answered{said}"))
    rows = [_row(question) for question in group["questions"]]
    print_table(["QUESTION", "TYPE", "ANSWERS", "RESULT", "DISTRIBUTION"], rows, folded={"DISTRIBUTION"})


def _row(question: Mapping[str, Any]) -> list[str]:
    spread = ", ".join(f"{each['value']}: {each['answers']}" for each in question["distribution"] if each["answers"])
    head = [question["question"], question["type"], str(question["answers"])]
    measured = [
        *([f"NPS {_number(question['nps'], 0)}"] if question["nps"] else []),
        *([f"CSAT {_percent(question['csat'])}"] if question["csat"] else []),
        *([f"mean {_number(question['mean'], 1)}"] if question["mean"] else []),
    ]
    return [*head, "; ".join(measured), spread]


def _percent(bounds: Mapping[str, float]) -> str:
    value, low, high = (100 * bounds[name] for name in ("value", "low", "high"))
    return f"{value:.0f} %, {low:.0f} to {high:.0f}"


def _number(bounds: Mapping[str, float], digits: int) -> str:
    return f"{bounds['value']:.{digits}f}, {bounds['low']:.{digits}f} to {bounds['high']:.{digits}f}"
