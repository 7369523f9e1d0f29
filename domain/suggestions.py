"""What would be right instead of a name that is not known."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str], label: str = "Allowed") -> str:
    """The closest of the known names, if one is close, and the list of all of them."""
    names = list(known)
    everything = f"{label}: {', '.join(names)}" if names else f"{label}: none"
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    return f"Did you mean `{close[0]}`? {everything}" if close else everything
