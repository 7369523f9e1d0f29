"""sojourn segments trend, overlap: the numbers of segments."""

from typing import Annotated

import typer

from cli.client import connect
from cli.options import AsJson
from cli.output import print_facts, print_json, print_table
from cli.segments.options import SegmentArgument


def trend(
    context: typer.Context,
    segment: SegmentArgument,
    days: Annotated[int, typer.Option(min=1, max=366, help="How many, with today.")] = 30,
    as_json: AsJson = False,
) -> None:
    """Show the members of a segment by day, and how many joined and left."""
    with connect(context) as api:
        found = api.get("segments", segment, "trend", days=days)
    if as_json:
        print_json(found)
        return
    rows = [[one["day"], *(f"{one[name]:,}" for name in ("members", "joined", "left"))] for one in found["days"]]
    print_table(["DAY", "MEMBERS", "JOINED", "LEFT"], rows)


def overlap(
    context: typer.Context,
    segment: SegmentArgument,
    other: Annotated[str, typer.Argument(metavar="OTHER", help="Another segment's key.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Show how many people are in two segments, and in only one of them."""
    with connect(context) as api:
        found = api.get("segments", segment, "overlap", **{"with": other})
    if as_json:
        print_json(found)
        return
    print_facts(
        {
            "both": f"{found['both']:,}",
            f"only {segment}": f"{found['only_first']:,}",
            f"only {other}": f"{found['only_second']:,}",
        }
    )
