"""Operations: long work in pages, on a campaign or on the deployment."""

from datetime import timedelta
from typing import Final, Literal

# Those of a campaign are worked on by its workflow, those of the deployment by every worker.
OperationKind = Literal[
    "exit",
    "skip",
    "migrate",
    "enrol",
    "resume",
    "backfill",
    "watch",
    "erase",
    "announce",
    "judge",
    "release",
    "count",
    "score",
    "retry",
    "mirror",
    "backtest",
]
# `held`: it goes on once another person has approved it. `failed`: it is not tried again.
OperationState = Literal["pending", "running", "held", "done", "cancelled", "failed"]
HELD: Final = "held"

# The pause before a failed page of the deployment is tried again: it doubles with each failure.
MIN_RETRY_PAUSE, MAX_RETRY_PAUSE = timedelta(seconds=1), timedelta(minutes=5)
_MAX_DOUBLINGS: Final = 10


def retry_after(failures: int) -> timedelta:
    """Return the pause after so many failures in a row of one page, one at least."""
    return min(MIN_RETRY_PAUSE * int(2 ** min(failures - 1, _MAX_DOUBLINGS)), MAX_RETRY_PAUSE)
