"""Suggestions for a name that is not known."""

from collections.abc import Iterable
from difflib import get_close_matches

# A reader looks through a list of so many names; of a longer one a few show what they are like.
MAX_LISTED = 50
EXAMPLES = 10


def did_you_mean(name: str, known: Iterable[str], label: str = "Allowed") -> str:
    """The closest of the known names, if one is close, and the list of them."""
    names = list(known)
    listed = names if len(names) <= MAX_LISTED else [*names[:EXAMPLES], f"and {len(names) - EXAMPLES} more"]
    everything = f"{label}: {', '.join(listed) or 'none'}"
    close = find_closest(name, names)
    return f"Did you mean `{close}`? {everything}" if close else everything


def find_closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like another; None where none is close."""
    return next(iter(get_close_matches(name, known, n=1, cutoff=0.6)), None)
