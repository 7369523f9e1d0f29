"""Lines of the timeline about messages in the inbox."""

from collections.abc import Callable, Mapping
from typing import Any, Final

# Why a message is not there for its person any more, as the store says it.
_WITHDRAWN: Final = {
    "journey_ended": "the journey ended",
    "campaign_stopped": "the campaign was stopped",
    "goal": "the journey reached its goal",
    "fallback": "another message goes instead",
    "campaign_paused": "the campaign is paused",
    "left_account": "the person left the account",
    "displaced": "the person has as many newer ones as there may be",
}


def describe_inbox(data: Mapping[str, Any], clock: Callable[[str], str]) -> str:
    """Say where a message is: it waits, was given, is withdrawn, or has expired."""
    known = data.get("inbox")
    if known is None:
        return ""
    unseen = "" if "opened" in data.get("reports", ()) else " before it was shown"
    if (why := known.get("withdrawn")) is not None:
        return f", withdrawn{unseen}: {_WITHDRAWN[why]}"
    if "has_expired" in known:
        return f", expired{unseen}"
    if "given_at" in known:
        return f", given at {clock(known['given_at'])}"
    return ", waits for the person"


def name_reports(data: Mapping[str, Any]) -> list[str]:
    """Return what was reported of a message; one in the inbox is shown, not opened."""
    reports = data.get("reports", [])
    return ["shown" if one == "opened" else one for one in reports] if "inbox" in data else list(reports)
