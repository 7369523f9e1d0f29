"""The console command `sojourn`: its commands and its exit status.

Exit status: 0 done; 1 refused, or something is wrong with what was given; 2 used wrongly; 3 no answer, or not now.
"""

import sys
import traceback

import typer
from pydantic_core import ValidationError

from cli import campaign, caps, serve
from cli.demo import demo
from cli.dev import dev
from cli.explain import explain
from cli.printing import print_error
from cli.schema import schema
from domain.errors import SojournError, UnavailableError
from runtime.leaving import leave

REFUSED = 1
UNAVAILABLE = 3
INTERRUPTED = 130

# Its own rendering of exceptions would print local variables, and so keys.
app = typer.Typer(
    name="sojourn",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Durable customer journeys. The API is found by SOJOURN_API_URL and SOJOURN_ADMIN_KEY, or by a running "
    "`sojourn dev` in this folder.",
)
app.add_typer(campaign.app, name="campaign")
app.add_typer(caps.app, name="caps")
app.command()(explain)
app.command()(schema)
app.command()(dev)
app.command()(demo)
app.command()(serve.api)
app.command()(serve.worker)
app.command()(serve.promote)
app.command()(serve.migrate)


def run(arguments: list[str]) -> int:
    """Run one command and return its exit status, with anything that went wrong told on standard error."""
    try:
        app(arguments)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except SojournError as error:
        print_error(error)
        return UNAVAILABLE if isinstance(error, UnavailableError) else REFUSED
    except ValidationError as error:
        if not error.title.endswith("Settings"):
            raise
        for fault in error.errors(include_input=False, include_url=False):
            typer.echo(f"sojourn: SOJOURN_{'_'.join(map(str, fault['loc'])).upper()}: {fault['msg']}", err=True)
        return REFUSED
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def main() -> None:
    """The entry of the console command."""
    status = REFUSED
    try:
        status = run(sys.argv[1:])
    except BaseException:  # noqa: BLE001 - whatever it is, it is told here, since nothing is raised past this function
        traceback.print_exc()
    finally:
        leave(status)


if __name__ == "__main__":
    main()
