"""What a command needs beyond a plain installation."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from cli.exit_codes import REFUSED
from runtime.embedded.processes import NotInstalledError

# Modules of the extra `dev` that are imported. The servers themselves are looked for when they are started.
_DEV = frozenset({"aiosmtpd", "segment"})


@contextmanager
def dev_extra(command: str) -> Iterator[None]:
    """Say in one line what to install where the extra `dev` is missing. Ends with status 1."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _DEV:
            raise
        raise _refuse(f"`sojourn {command}` embeds real servers: pip install 'sojourn[dev]'") from error
    except NotInstalledError as error:
        raise _refuse(f"`sojourn {command}`: {error}") from error


def _refuse(why: str) -> typer.Exit:
    typer.echo(f"sojourn: {why}", err=True)
    return typer.Exit(REFUSED)
