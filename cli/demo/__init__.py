"""sojourn demo: users and their journeys of days, in seconds.

Its imports stand inside the function, as in `serve`: they take a second.
"""

from typing import Annotated

import typer

from cli.extras import dev_extra


def demo(
    once: Annotated[bool, typer.Option("--once", help="Check the outcome and end: status 0 if all is right.")] = False,
) -> None:
    """Run campaigns of `examples/` for some users, and show what each of them got.

    Everything is embedded and in a folder that is removed at the end. Delays have their true length on the journeys'
    own clocks, which are moved forward. Stays up until Ctrl-C, so that you can look around.
    """
    with dev_extra("demo"):
        from cli.demo.run import run
    from runtime.embedded.processes import EmbeddedServerError

    try:
        with dev_extra("demo"):
            status = run(once=once)
    except EmbeddedServerError as error:
        typer.echo(f"sojourn: {error}", err=True)
        raise typer.Exit(1) from error
    raise typer.Exit(status)
