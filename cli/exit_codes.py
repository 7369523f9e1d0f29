"""The exit statuses of commands."""

from typing import Final

from cli.client import RefusedError
from domain.errors import SojournError, UnavailableError

DONE: Final = 0
REFUSED: Final = 1  # or something is wrong with what was given
USED_WRONGLY: Final = 2
UNAVAILABLE: Final = 3  # no answer, or not now
CHANGES: Final = 4  # of `plan --exit-code`
OUTDATED: Final = 5  # what was planned is not what would be done now
WAITING: Final = 6  # for the approval of another person
EXCEEDED: Final = 7  # a limit, of `backtest`
TRY_AGAIN: Final = 75  # of `bounce`: EX_TEMPFAIL of sysexits, for mail servers
INTERRUPTED: Final = 130

PLAN_OUTDATED = "plan_outdated"


def status_of(error: SojournError) -> int:
    """Return the status of a command that ends with this error."""
    if isinstance(error, UnavailableError):
        return UNAVAILABLE
    if isinstance(error, RefusedError) and error.reason == PLAN_OUTDATED:
        return OUTDATED
    return REFUSED
