"""sojourn send-test: a message through its real provider to a chosen address."""

from typing import Annotated

import typer

from cli.client import connect
from cli.exit_codes import REFUSED
from cli.message_choice import (
    AtOption,
    ChannelOption,
    LanguageOption,
    PreviewedVersionOption,
    ProfileFileOption,
    RecipientOption,
    SourceArgument,
    StepArgument,
    TimezoneOption,
    choose_message,
)
from cli.options import AsJson
from cli.output import print_json, printable


def send_test(
    context: typer.Context,
    source: SourceArgument,
    to: Annotated[str, typer.Option("--to", metavar="ADDRESS", help="The address that gets it.", show_default=False)],
    step: StepArgument = None,
    user: RecipientOption = None,
    person: ProfileFileOption = None,
    at: AtOption = None,
    language: LanguageOption = None,
    timezone: TimezoneOption = None,
    version: PreviewedVersionOption = None,
    channel: ChannelOption = None,
    as_json: AsJson = False,
) -> None:
    """Send a message as a test to one address, through its real provider.

    A step with several channels takes --channel. The test counts for no cap and is in no user's timeline; the audit log
    has it. An address that bounced or refuses such messages is refused. Status 1 if the provider did not accept it.
    """
    body = choose_message(source, step, version, channel, user, person, at, language, timezone)
    with connect(context) as api:
        sent = api.post("templates", "send-test", body={**body, "to": to})
    if as_json:
        print_json(sent)
    else:
        detail = "" if sent["detail"] is None else f": {sent['detail']}"
        typer.echo(printable(f"{sent['message_id']}: {sent['outcome']} by {sent['provider']}{detail}"))
        for warning in sent["preview"]["warnings"]:
            typer.echo(printable(f"warning: {warning}"), err=True)
    if sent["outcome"] != "accepted":
        raise typer.Exit(REFUSED)
