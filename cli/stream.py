"""sojourn stream: everything that is recorded, as it comes."""

import json
import sys
import time
from enum import StrEnum
from typing import Annotated

import typer

from cli.client import ApiClient, connect
from cli.output import printable
from domain.errors import UnavailableError

PAGE = 500
# How long the API waits for something new.
WAIT_SECONDS = 8
LATEST = "latest"
# The delays between attempts after a lost connection.
FIRST_PAUSE, MAX_PAUSE = 0.5, 10.0


class StreamType(StrEnum):
    """The types of items."""

    EVENT = "event"
    DECISION = "decision"
    MESSAGE = "message"
    CONVERSION = "conversion"
    PROFILE = "profile"


def stream(
    context: typer.Context,
    after: Annotated[
        str | None,
        typer.Option(help="A cursor, or `latest`; without it all that there is.", show_default=False),
    ] = None,
    type: Annotated[
        list[StreamType] | None, typer.Option(help="The type of items to print; may be repeated.", show_default=False)
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more until Ctrl-C.")] = False,
) -> None:
    """Print everything that is recorded, one JSON object a line.

    Each is printed at least once, with its `cursor`. The last cursor is told on standard error at the end.
    """
    with connect(context) as api:
        reader = _Reader(api, [kind.value for kind in type or ()], after)
        try:
            while reader.read(wait=follow) or follow:
                pass
        finally:
            if reader.has_read and reader.after is not None:
                typer.echo(printable(f"Go on with --after {reader.after}"), err=True)


class _Reader:
    """Prints pages. `after` is the cursor behind what is printed.

    Before the first answer it is the given one, which may be refused.
    """

    def __init__(self, api: ApiClient, types: list[str], after: str | None) -> None:
        self._api = api
        self._types = types
        self.after = after
        self.has_read = False

    def read(self, *, wait: bool) -> bool:
        """Print a page; return whether there are more now.

        With `wait`, it waits for something new, and for an API that is away.
        """
        pause = FIRST_PAUSE
        while True:
            try:
                page = self._api.get(
                    "stream",
                    after=self.after,
                    types=self._types or None,
                    limit=PAGE,
                    # The place of `latest` is known at once, also if Ctrl-C comes before anything else.
                    wait=WAIT_SECONDS if wait and self.after != LATEST else 0,
                )
                break
            except UnavailableError as error:
                if not wait:
                    raise
                typer.echo(f"sojourn: {printable(error.detail)}; trying again in {pause:.1f} s", err=True)
                time.sleep(pause)
                pause = min(MAX_PAUSE, pause * 2)
        for item in page["items"]:
            typer.echo(json.dumps(item, ensure_ascii=False, separators=(",", ":")))
            self.after = item["cursor"]
        sys.stdout.flush()
        self.after, self.has_read = page["next"], True
        return bool(page["has_more"])
