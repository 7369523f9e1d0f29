"""Suggestions for a name that is not known."""

from collections.abc import Iterable
from difflib import get_close_matches

# A reader scans a list of this many names; for a longer one a few are examples.
MAX_LISTED = 50
EXAMPLES = 10


def did_you_mean(name: str, known: Iterable[str], label: str = "Allowed") -> str:
    """Suggest the closest of the known names, if there is one, and list them."""
    names = list(known)
    listed = names if len(names) <= MAX_LISTED else [*names[:EXAMPLES], f"and {len(names) - EXAMPLES} more"]
    everything = f"{label}: {', '.join(listed) or 'none'}"
    close = find_closest(name, names)
    return f"Did you mean `{close}`? {everything}" if close else everything


def find_closest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the known name most like another; None if none is close."""
    return next(iter(get_close_matches(name, known, n=1, cutoff=cutoff)), None)
