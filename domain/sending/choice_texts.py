"""Lines of the timeline about the choice of a channel, and about fallbacks."""

from collections.abc import Callable, Mapping
from typing import Any


def describe_choice(data: Mapping[str, Any]) -> str:
    """Name the chosen channel, and why others were passed over."""
    if "passed_over" not in data and "engagement" not in data:
        return ""
    parts = [f"{one['channel']}: {one['reason'].replace('_', ' ')}" for one in data.get("passed_over", ())]
    if known := data.get("engagement"):
        rates = (f"{one['reactions']} of {one['messages']} on {one['channel']}" for one in known)
        parts.append(f"reactions: {', '.join(rates)}")
    return f", on {data['channel']} ({'; '.join(parts)})"


def describe_haste(data: Mapping[str, Any]) -> str:
    """Say that a message which would have had to wait was not to."""
    return ", and it goes at once or not at all" if data.get("at_once") else ""


def describe_reaction(data: Mapping[str, Any], clock: Callable[[str], str]) -> str:
    """Name the reaction that makes a fallback needless."""
    if "at" not in data:
        return f"not needed: {data['detail']}"
    return f"not needed: the message on {data['channel']} was {data['unless']} at {clock(data['at'])}"


def describe_tries(data: Mapping[str, Any]) -> str:
    """Name the channels by which a message did not get through before."""
    tries = (f"{channel}: {why}" for channel, why in data.get("tried", {}).items())
    return f" (tried {'; '.join(tries)})" if "tried" in data else ""
