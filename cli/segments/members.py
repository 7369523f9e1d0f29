"""sojourn segments members and export: the people in a segment."""

import os
import sys
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from cli.client import connect
from cli.options import AfterOption, AsJson, LimitOption
from cli.output import as_text, local_second, number_of, print_json, print_next, print_table
from cli.segments.options import SegmentArgument

# For its owner alone: it says what people are.
MODE = 0o600


class ExportFormat(StrEnum):
    CSV = "csv"
    NDJSON = "ndjson"


def members(
    context: typer.Context,
    segment: SegmentArgument,
    limit: LimitOption = 50,
    after: AfterOption = None,
    as_json: AsJson = False,
) -> None:
    """List the members of a segment, and since when they are."""
    with connect(context) as api:
        page = api.get("segments", segment, "members", limit=limit, after=after)
    if as_json:
        print_json(page)
        return
    rows = [
        [as_text(each["user_id"] or each["anonymous_id"]), local_second(each["since"]), each["id"]]
        for each in page["members"]
    ]
    print_table(["USER", "SINCE", "PROFILE"], rows)
    print_next(page)


def export(
    context: typer.Context,
    segment: SegmentArgument,
    file: Annotated[
        Path | None,
        typer.Argument(help="The file to write; standard output without it.", dir_okay=False, show_default=False),
    ] = None,
    format: Annotated[ExportFormat, typer.Option(help="How it is written.")] = ExportFormat.CSV,
) -> None:
    """Write all members of a segment, as CSV or as lines of JSON."""
    with connect(context) as api:
        pieces = api.stream("segments", segment, "export", format=format.value)
        if file is None:
            for piece in pieces:
                sys.stdout.buffer.write(piece)
            sys.stdout.flush()
            return
        # The first piece says whether there is such a segment: the file stays as it is if not.
        first = next(pieces, b"")
        lines = 0
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, MODE), "wb") as opened:
            for piece in chain([first], pieces):
                opened.write(piece)
                lines += piece.count(b"\n")
    typer.echo(f"{file}: {number_of(lines - (format is ExportFormat.CSV), 'member')}")
