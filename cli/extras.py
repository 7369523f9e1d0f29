"""The optional dependencies of commands."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from cli.exit_codes import REFUSED
from runtime.embedded.processes import NotInstalledError

# Imported modules of the extra `dev`. The servers themselves are found when they are started.
_DEV = frozenset({"segment"})
_INSIGHTS = frozenset({"numpy", "scipy"})


@contextmanager
def insights_extra(command: str) -> Iterator[None]:
    """Check for the extra `insights`; else say what to install, and exit."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _INSIGHTS:
            raise
        raise _refuse(f"`sojourn {command}` fits a model: pip install 'sojourn[insights]'") from error


@contextmanager
def dev_extra(command: str) -> Iterator[None]:
    """Check for the extra `dev`; else say what to install, and exit with status 1."""
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
