"""sojourn bounce: a mail that came back, from the pipe of a mail server."""

import os
import sys
from typing import Annotated

import typer

from cli.client import connect
from cli.exit_codes import TRY_AGAIN
from cli.output import print_error
from domain.errors import SojournError
from domain.sending.incoming_mail import MAX_READ_BYTES

# How Postfix writes the empty sender of a bounce for a pipe.
_NULL_SENDER = "MAILER-DAEMON"


def bounce(
    context: typer.Context,
    recipient: Annotated[
        str | None,
        typer.Option(help="The envelope's; left out, RECIPIENT or the headers of the mail.", show_default=False),
    ] = None,
    sender: Annotated[str | None, typer.Option(help="The envelope's; empty for a bounce.", show_default=False)] = None,
) -> None:
    """Hand over a mail that came back, on standard input.

    For the pipe of a mail server, which gets bounces, complaints, replies and unsubscriptions. Exit status 75 says that
    the mail is to be kept and tried again, 0 that it was taken.
    """
    mail = sys.stdin.buffer.read(MAX_READ_BYTES)
    # Its writer may not stop early.
    while sys.stdin.buffer.read(MAX_READ_BYTES):
        pass
    recipient = recipient or os.environ.get("ORIGINAL_RECIPIENT") or os.environ.get("RECIPIENT") or None
    sender = "" if sender is not None and sender.upper() == _NULL_SENDER else sender
    try:
        with connect(context, ingests=True) as api:
            receipt = api.deliver(
                "mails", content=mail, content_type="message/rfc822", recipient=recipient, sender=sender
            )
    except SojournError as error:
        # Also for a wrong key: once it is corrected, nothing is lost.
        print_error(error)
        raise typer.Exit(TRY_AGAIN) from error
    typer.echo(receipt["outcome"])
