"""The console command `sojourn`: its commands and exit statuses."""

import sys
import traceback
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated

import typer
from pydantic_core import ValidationError

from cli import (
    accounts,
    campaigns,
    deliverability,
    dev,
    hold,
    journeys,
    keys,
    messages,
    segments,
    serve,
    sessions,
    surveys,
    templates,
    users,
)
from cli.approvals import approvals, approve, reject
from cli.audience_commands import add_audience_commands
from cli.audit import audit
from cli.backtest import backtest
from cli.bounce import bounce
from cli.check import check
from cli.codec_server import codec_server
from cli.contexts import contexts
from cli.demo import demo
from cli.deployment_documents import create_commands
from cli.event_commands import add_event_commands
from cli.exit_codes import DONE, INTERRUPTED, REFUSED, status_of
from cli.explain import explain
from cli.funnel import funnel
from cli.init import init
from cli.lifecycle_commands import add_lifecycle_commands
from cli.mcp import mcp
from cli.operations import operations
from cli.options import complete_context
from cli.output import print_error
from cli.plans import apply, plan
from cli.preview import preview
from cli.provider_commands import add_provider_commands
from cli.reconcile import reconcile
from cli.rehearse import rehearse
from cli.rejects import rejects
from cli.rfm_commands import add_rfm_commands
from cli.scenario_tests import run_scenarios
from cli.schema import schema
from cli.script_tag import script_tag
from cli.send_test import send_test
from cli.stream import stream
from cli.validate import validate
from domain.deployment_documents import AUDIENCES, DECLARED_EVENTS, DEPLOYMENT_DOCUMENTS, LIFECYCLE, PROVIDERS, RFM
from domain.errors import SojournError
from runtime.process import exit_now

NAME = "sojourn"
# The global options, which may stand before or after the command.
DEPLOYMENT_OPTIONS = ("--context", "--url")

# Its own rendering of exceptions would print local variables, and so keys.
app = typer.Typer(name=NAME, no_args_is_help=True, pretty_exceptions_enable=False)


def _add(panel: str, *commands: Callable[..., None], **groups: typer.Typer) -> None:
    for command in commands:
        app.command(rich_help_panel=panel)(command)
    for name, group in groups.items():
        app.add_typer(group, name=name, rich_help_panel=panel)


app.command("test", rich_help_panel="Campaigns")(run_scenarios)
_add("Campaigns", backtest, rehearse)
_add("Campaigns", init, validate, preview, send_test, plan, apply, campaigns.campaigns, campaigns.start)
_add("Campaigns", campaigns.pause, campaigns.resume, campaigns.stop, campaigns.archive, approvals, approve, reject)
_add("Campaigns", funnel, operations, schema)
_add("Journeys and users", explain, rejects, journeys=journeys.app, users=users.app, accounts=accounts.app)
_add("Journeys and users", hold=hold.app, messages=messages.app, templates=templates.app, segments=segments.app)
_add("Journeys and users", surveys=surveys.app)
_add("The deployment", audit, reconcile, stream, mcp, contexts, script_tag, keys=keys.app, sessions=sessions.app)
_add("The deployment", deliverability=deliverability.app)
_documents = {kind.command: create_commands(kind) for kind in DEPLOYMENT_DOCUMENTS.values()}
add_audience_commands(_documents[AUDIENCES.command])
add_event_commands(_documents[DECLARED_EVENTS.command])
add_lifecycle_commands(_documents[LIFECYCLE.command])
add_provider_commands(_documents[PROVIDERS.command])
add_rfm_commands(_documents[RFM.command])
_add("The deployment", **_documents)
_add("Processes", demo, serve.api, serve.worker, serve.lmtp, serve.promote, serve.migrate, check, codec_server)
_add("Processes", bounce, dev=dev.app)


def _tell_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"{NAME} {version(NAME)}")
        raise typer.Exit


@app.callback()
def deployment(
    context: Annotated[
        str | None,
        typer.Option(help="A context of the config file.", autocompletion=complete_context, show_default=False),
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Where the API is; its key is SOJOURN_API_KEY.", show_default=False)
    ] = None,
    is_version_asked: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Durable customer journeys.

    Without --context or --url: SOJOURN_API_URL, SOJOURN_CONTEXT, the default context, or the `sojourn dev` that runs
    in this folder or above it.
    """
    if context and url:
        raise typer.BadParameter("--context and --url both name a deployment: give one of them")


def with_deployment_first(arguments: list[str]) -> list[str]:
    """Move `--context` and `--url` before the command.

    Each has its value after it or after a `=`. Arguments after `--` are not options.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    first: list[str] = []
    others: list[str] = []
    given = iter(arguments[:end])
    for argument in given:
        if argument in DEPLOYMENT_OPTIONS:
            value = next(given, None)
            if value is None:
                # Alone, so that the parser reports the missing value.
                return [argument]
            first += [argument, value]
        elif argument.partition("=")[0] in DEPLOYMENT_OPTIONS:
            first.append(argument)
        else:
            others.append(argument)
    return [*first, *others, *arguments[end:]]


def run(arguments: list[str]) -> int:
    """Run one command; return its exit status, with errors on standard error."""
    try:
        app(with_deployment_first(arguments), prog_name=NAME)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except SojournError as error:
        print_error(error)
        return status_of(error)
    except ValidationError as error:
        if not error.title.endswith("Settings"):
            raise
        from settings import find_setting_faults

        for finding in find_setting_faults(error):
            typer.echo(f"sojourn: {finding}", err=True)
        return REFUSED
    except KeyboardInterrupt:
        return INTERRUPTED
    return DONE


def main() -> None:
    """Run the console command."""
    status = REFUSED
    try:
        status = run(sys.argv[1:])
    except BaseException:  # noqa: BLE001 - whatever it is, it is told here, since nothing is raised past this function
        traceback.print_exc()
    finally:
        exit_now(status)


if __name__ == "__main__":
    main()
