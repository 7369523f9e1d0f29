"""sojourn funnel: the funnel of a campaign."""

from typing import Annotated, Any

import typer

from cli.client import connect
from cli.options import AsJson, CampaignArgument
from cli.output import counts_text, number_of, print_json, print_table, printable

INDENT = "  "
# The reports about the messages that were sent.
REPORTED = ("delivered", "opened", "clicked", "replied", "bounced", "complained")


def funnel(
    context: typer.Context,
    campaign: CampaignArgument,
    version: Annotated[int | None, typer.Option(min=1, help="Only this version.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Show entries and reached steps of a campaign, and the outcomes of its messages."""
    with connect(context) as api:
        found = api.get("campaigns", campaign, "funnel", version=version)
    if as_json:
        print_json(found)
        return
    for number, each in enumerate(found["versions"]):
        if number:
            typer.echo()
        _show(found["campaign"], each)
    if found["not_let_in"]:
        typer.echo(printable(f"Not let in: {counts_text(found['not_let_in'])}"))


def _show(campaign: str, version: dict[str, Any]) -> None:
    outcomes = {"under way": version["active"], **version["outcomes"]}
    typer.echo(
        printable(
            f"{campaign}, version {version['version']}: {number_of(version['entered'], 'journey')} "
            f"({counts_text(outcomes)}), {number_of(version['goals'], 'goal')}"
        )
    )
    columns = ["STEP", "KIND", "REACHED", "NOW", "SENT", "NOT SENT OR LATER"]
    print_table(columns, [_row(step) for step in version["steps"]], folded={"NOW", "NOT SENT OR LATER"})
    if sent := [step for step in version["steps"] if step["messages"] is not None and step["messages"]["sent"]]:
        typer.echo()
        print_table(["REPORTED OF", *map(str.upper, REPORTED)], [_reported_row(step) for step in sent])
    if version["exits"]:
        typer.echo(printable(f"Ended early: {counts_text(version['exits'])}"))
    if version["arms"]:
        rows = [[each["step"], each["arm"], str(each["journeys"]), str(each["goals"])] for each in version["arms"]]
        typer.echo()
        print_table(["SPLIT", "ARM", "JOURNEYS", "GOALS"], rows)


def _row(step: dict[str, Any]) -> list[str]:
    name = f"{INDENT * step['depth']}{step['id']}"
    row = [name, step["kind"], str(step["reached"]), counts_text(step["now"])]
    messages = step["messages"]
    if messages is None:
        return [*row, "", ""]
    return [*row, str(messages["sent"]), counts_text(_summarize_unsent(messages))]


def _reported_row(step: dict[str, Any]) -> list[str]:
    return [step["id"], *(str(step["messages"][name]) for name in REPORTED)]


def _summarize_unsent(messages: dict[str, Any]) -> dict[str, int]:
    """Summarize messages that were not sent, or not at once."""
    counts = {name: messages[name] for name in ("under_way", "capped", "cancelled", "failed", "unknown", "held")}
    counts.update(messages["refused"])
    counts.update({f"deferred {reason}": number for reason, number in messages["deferred"].items()})
    return {name: number for name, number in counts.items() if number}
