"""sojourn demo: twenty users, four kinds of message and why some of them were never sent, in seconds."""

import asyncio
from typing import Annotated

import typer


def demo(
    once: Annotated[bool, typer.Option("--once", help="Check the outcome and end: status 0 if all is right.")] = False,
) -> None:
    """Run the campaigns of `examples/` for twenty users and show what each of them got, or why not.

    Everything is embedded and in a folder that is removed at the end. Delays have their true length on the journeys'
    own clocks, which are moved forward. Stays up until Ctrl-C, so that you can look around.
    """
    from cli.demo.run import run

    raise typer.Exit(asyncio.run(run(once=once)))
