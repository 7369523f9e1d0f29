"""The two lengths of a proof: every run has the short form, `make prove` the long one."""

import os

IS_LONG = os.environ.get("SOJOURN_PROVE") == "1"


def rounds(short: int, long: int) -> int:
    """Return how much of something a proof takes in this run."""
    return long if IS_LONG else short
